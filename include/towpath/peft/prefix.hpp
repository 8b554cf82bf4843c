#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/peft/method.hpp"

namespace towpath {

namespace detail {
struct AnyPrefix;
}

// Prefix-tuning (Li and Liang 2021), the table trained directly: in each layer K = [P_k; K], V = [P_v; V], P_k and P_v [Length, H].
// The rows have no position of their own and are seen by every token. Unlike the zero-initialised methods it does not start at the
// backbone: even a prefix of zeros takes a share of the softmax. Start: N(0, 0.02). Names: prefix_key, prefix_value.
template <Index Length>
struct Prefix {
  using family = detail::AnyPrefix;
  using sites = Sites<at::KeysValues>;
  static_assert(Length > 0, "[towpath] Prefix: the length must be at least 1");

  template <class Env, class, Index Width>
  struct Module {
    static constexpr bool trains = true;
    Tensor<Env> key{Length, Width}, value{Length, Width};
    struct Grads {
      Tensor<Env> key{Length, Width}, value{Length, Width};
    };
    View<Env> keys() const { return key; }
    View<Env> values() const { return value; }
    static Writable<Env> keys(Grads& g) { return g.key; }
    static Writable<Env> values(Grads& g) { return g.value; }

    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / "prefix_key", Trainable{start::normal(0.02f)}, ms.key...);
      f(at / "prefix_value", Trainable{start::normal(0.02f)}, ms.value...);
    }
  };
};

}  // namespace towpath
