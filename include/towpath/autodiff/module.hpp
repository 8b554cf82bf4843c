// The module contract, in one paragraph. A module on an environment has forward and backward, a Grads and a Saved<Pass>.
// Gradients of parameters ACCUMULATE into Grads; the gradient of the input is RETURNED (set, not accumulated; the caller
// adds). The owner of an input hands it to backward again if uses_input<Pass> says that it will be read, otherwise an empty
// view. backward is called at most once for each forward, for it uses up what Saved holds; Saved is reusable storage. Return
// types are spelled, never deduced, so that asking whether a type is a module looks at declarations only. What does not train has no
// backward and an empty Saved.
#pragma once

#include "towpath/autodiff/pass.hpp"
#include "towpath/backend/op.hpp"
#include "towpath/base/check.hpp"
#include "towpath/base/text.hpp"
#include "towpath/tensor/tensor.hpp"

#include <cmath>
#include <concepts>
#include <type_traits>

namespace towpath {

// What a parameter starts from: a pure function of (seed, name), see initialise().
struct Start {
  enum class Kind { constant, normal, uniform, norms } kind = Kind::constant;
  float scale = 0;  // the constant; the standard deviation; half the width
};
namespace start {
inline constexpr Start zeros{Start::Kind::constant, 0}, ones{Start::Kind::constant, 1};
constexpr Start normal(float deviation) { return {Start::Kind::normal, deviation}; }
// The norms of the rows of the projection's weight beside it: of parameters called `….<projection>.<name>`, one for each output. Filled
// when that weight is there (start_from_weights).
inline constexpr Start norms{Start::Kind::norms, 0};
// √x by Newton: std::sqrt is not constexpr.
template <class T>
constexpr T root(T x) {
  T r = x;
  for (int i = 0; i < 40; ++i) r = T(0.5) * (r + x / r);
  return r;
}
constexpr Start uniform_of(float square) { return {Start::Kind::uniform, 1.0f / root(square)}; }  // U(-1/√square, 1/√square)
// Kaiming-uniform with a = sqrt(5), torch.nn.Linear's: U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
constexpr Start kaiming(Index fan_in) { return uniform_of(static_cast<float>(fan_in)); }
// Glorot-uniform: U(±sqrt(6 / (fan_in + fan_out))).
constexpr Start glorot(Index fan_in, Index fan_out) { return uniform_of(static_cast<float>(fan_in + fan_out) / 6); }

// Starting rules of a matrix as types, for modules that let their user choose; each from the number of inputs.
struct Zeros {
  static constexpr Start of(Index) { return zeros; }
};
struct Bert {  // N(0, 0.02), BERT's own
  static constexpr Start of(Index) { return normal(0.02f); }
};
struct Kaiming {
  static constexpr Start of(Index fan_in) { return kaiming(fan_in); }
};
}  // namespace start

// What visit says of each parameter: may an optimiser change it, and what does it start from.
struct Trainable {
  Start start = start::zeros;
  bool added = false;  // by a method, so that a file of the backbone does not have it
  static constexpr bool trains = true;
};
struct Frozen {
  Start start = start::zeros;
  bool added = false;
  static constexpr bool trains = false;
};
template <bool trains>
using Trained = std::conditional_t<trains, Trainable, Frozen>;

// A parameter may be missing (a projection without bias), be there and stay as it is, or train.
enum class Leaf { absent, frozen, trained };
constexpr Leaf leaf(bool trains) { return trains ? Leaf::trained : Leaf::frozen; }

template <class Env, Leaf leaf, class Tag>
using LeafTensor = If<leaf != Leaf::absent, Weight<Env, leaf == Leaf::trained>, Tag>;
template <class Env, Leaf leaf, class Tag>
using LeafGradient = If<leaf == Leaf::trained, Tensor<Env>, Tag>;

// A leaf of these extents, or nothing.
template <class T, class... Extents>
constexpr T blank(Extents... extents) {
  if constexpr (is_nothing<T>) return {};
  else return T(extents...);
}

// Does M look at several rows at once (attention, a stack of layers)? Of a chain that is asked for the first tokens only, the last such
// part narrows.
template <class M>
inline constexpr bool looks_across = [] {
  if constexpr (requires { M::across; }) return M::across;
  else return false;
}();

// Does M read all tokens of a text whatever is asked of it (a gate, which is a mean over them)? Then nobody narrows to first tokens
// below it.
template <class M>
inline constexpr bool needs_all = [] {
  if constexpr (requires { M::whole; }) return M::whole;
  else return false;
}();

// Can M compute its result once more from what it keeps under P, in a pass over memory? Then whoever reads that result in backward asks for it
// and nobody keeps it:  again(env, x, saved), x being M's input if that is kept, gives forward's result to the bit. M says so by
//   using Again = On;  template <class Pass> static constexpr bool repeats = …;
// the first because a module that inherits from this one to do more does not give the same.
template <class M, class P>
inline constexpr bool repeats = [] {
  if constexpr (requires { typename M::Again; }) {
    if constexpr (std::is_same_v<typename M::Again, M> && requires { M::template repeats<P>; }) return M::template repeats<P>;
  }
  return false;
}();

// Sums without a pass of their own. A module that ends in a product may let the product finish its result (backend/finish.hpp): its forward
// takes a Finish as one more argument and gives finish(M(x)); likewise backward, for the gradient of the input. These two call any
// module so; for one that does not take a Finish, it is done afterwards.
template <class Pass, class M, class Env, class X, class S>
Tensor<Env> forward_to(const M& m, Env& env, const X& x, S& saved, const op::FinishOf<Env>& finish) {
  if constexpr (requires { m.template forward<Pass>(env, x, saved, finish); }) {
    return m.template forward<Pass>(env, x, saved, finish);
  } else {
    Tensor<Env> y = m.template forward<Pass>(env, x, saved);
    op::finish(env, y, finish);
    return y;
  }
}
template <class Pass, class M, class Env, class X, class S, class G>
InputGradient<Env, Pass> backward_to(const M& m, Env& env, View<Env> dy, const X& x, S& saved, G& g, const op::FinishOf<Env>& finish) {
  if constexpr (requires { m.template backward<Pass>(env, dy, x, saved, g, finish); }) {
    return m.template backward<Pass>(env, dy, x, saved, g, finish);
  } else {
    InputGradient<Env, Pass> dx = m.template backward<Pass>(env, dy, x, saved, g);
    if constexpr (Pass::wants_input) op::finish(env, dx, finish);
    return dx;
  }
}

inline void require_kept(bool there) {
  if (!there)
    fail("backward has nothing to go by", "it used up what forward had kept, or there was no forward", "Call forward again before each backward");
}

struct AnyVisitor {
  template <class Tag, class... Ts>
  constexpr void operator()(const Path&, Tag, Ts&...) const {}
};

template <class M>
concept Described = requires {
  { M::trains } -> std::convertible_to<bool>;
  typename M::Grads;
};
template <class M>
concept Named = requires(M& m, const AnyVisitor& f, const Path& at) { M::visit(f, at, m); };
template <class M, class P>
concept Remembers = requires {
  typename M::template Saved<P>;
  { M::template uses_input<P> } -> std::convertible_to<bool>;
};
template <class M, class Env, class P>
concept Runs = requires(const M& m, Env& env, Tokens<Env> x, typename M::template Saved<P>& saved) {
  { m.template forward<P>(env, x, saved) } -> std::same_as<Tensor<Env>>;
};
template <class M, class Env, class P>
concept Reverses = requires(const M& m, Env& env, View<Env> dy, Tokens<Env> x, typename M::template Saved<P>& saved,
                            typename M::Grads& grads) {
  { m.template backward<P>(env, dy, x, saved, grads) } -> std::same_as<InputGradient<Env, P>>;
};
template <class M, class Env>
concept Module = Described<M> && Named<M> && Remembers<M, Learn<true>> && Runs<M, Env, Infer> && Reverses<M, Env, Learn<true>>;

// One assertion per requirement, so that the message names the missing piece and the line above it names the culprit.
template <class M, class Env>
consteval bool check_module() {
  static_assert(Described<M>, "[towpath] a module needs `static constexpr bool trains` and a nested `struct Grads`");
  static_assert(Named<M>, "[towpath] a module needs `template <class F, class... Ms> static void visit(F&& f, const Path& at, Ms&... ms)`"
                          " that calls f(at / \"name\", Trainable{}, ms.name...) for each parameter");
  static_assert(Remembers<M, Learn<true>>,
                "[towpath] a module needs `template <class Pass> struct Saved` and `template <class Pass> static constexpr bool uses_input`");
  static_assert(Runs<M, Env, Infer>, "[towpath] a module needs `template <class Pass> Tensor<Env> forward(Env&, View<Env> x, "
                                     "Saved<Pass>&) const`");
  static_assert(Reverses<M, Env, Learn<true>>,
                "[towpath] a module needs `template <class Pass> InputGradient<Env, Pass> backward(Env&, View<Env> dy, View<Env> x, const "
                "Saved<Pass>&, Grads&) const`, with that return type spelled out");
  return Module<M, Env>;
}

}  // namespace towpath
