#pragma once

#include "towpath/peft/dora.hpp"

namespace towpath {

// DoRA does not differentiate its norms, so differences see another function. Held is DoRA with norms that are constants indeed, W's own:
// all of its code is checked but that; that the norms of W + s B A are constants to it is checked in dora.cpp and, beside peft, in
// tests/parity.
struct HeldNorms {
  template <class Env, class Change>
  static Tensor<Env> of(Env& env, const Change&, View<Env> weight) {
    return op::row_norms<Env>(env, weight);
  }
};
template <Index Rank, class... Options>
struct Held : DoRA<Rank, Options...> {
  template <class Env, class, Index In, Index Out>
  using Module = typename detail::Decomposed<typename LoRA<Rank, Options...>::template Delta<In, Out>::type, Out,
                                             HeldNorms>::template On<Env>;
};

}  // namespace towpath
