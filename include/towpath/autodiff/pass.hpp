#pragma once

#include "towpath/base/nothing.hpp"
#include "towpath/tensor/tensor.hpp"

namespace towpath {

// What a sweep through a model is for, as a type. `learns`: a backward sweep will follow; `wants_input`: somebody below
// trains, so backward must also give the gradient of its input; `random`: dropout is drawn.
struct Infer {
  static constexpr bool learns = false, wants_input = false, random = false;
};
struct Rehearse {  // forward with the same dropout as Learn, nothing kept: the first sweep of whoever recomputes
  static constexpr bool learns = false, wants_input = false, random = true;
};
template <bool WantsInput>
struct Learn {
  static constexpr bool learns = true, wants_input = WantsInput, random = true;
};

// Is there anything to do in M when the gradient comes back under P?
template <class M, class P>
inline constexpr bool active = P::learns && (M::trains || P::wants_input);

// The pass that M itself gets from an owner under P: a part without backward work must keep nothing, so it is only rehearsed.
template <class M, class P>
using PassFor = std::conditional_t<P::learns && !active<M, P>, Rehearse, P>;

// The pass of whatever stands above a part that trains (or does not) under P.
template <class P, bool below_trains>
using Above = std::conditional_t<P::learns, Learn<P::wants_input || below_trains>, P>;

// What backward gives back: the gradient of the input where somebody below wants it.
template <class Env, class P>
using InputGradient = std::conditional_t<P::wants_input, Tensor<Env>, Nothing<P>>;

}  // namespace towpath
