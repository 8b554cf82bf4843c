#pragma once

#include "towpath/autodiff/visit.hpp"
#include "towpath/backend/op.hpp"

#include <cmath>
#include <vector>

namespace towpath {

// The Euclidean norm of all gradients together, summed in the order of visit(), in double.
template <class M, class Env, class G>
double gradient_norm(Env& env, const G& grads) {
  if constexpr (op::all_at_once<Env>) {
    std::vector<View<Env>> all;
    each_tensor<M, Env>(grads, {&all, [](void* to, Tensor<Env>& g) { static_cast<std::vector<View<Env>>*>(to)->push_back(g.view()); }});
    return std::sqrt(op::square_norm_of_all<Env>(env, all));
  } else {
    struct Sum {
      Env& env;
      double square = 0;
    } sum{env};
    each_tensor<M, Env>(grads, {&sum, [](void* to, Tensor<Env>& g) {
                                  auto& s = *static_cast<Sum*>(to);
                                  s.square += op::square_norm<Env>(s.env, g);
                                }});
    return std::sqrt(sum.square);
  }
}

// The factor that brings a norm down to `limit` (Pascanu et al. 2013); 1 where it is within, or where there is no limit (0).
inline double clip_factor(double norm, double limit) { return limit > 0 && norm > limit ? limit / norm : 1.0; }

}  // namespace towpath
