#pragma once

#include "towpath/nn/chain.hpp"
#include "towpath/nn/repeat.hpp"

namespace towpath {

namespace detail {
template <Index, class... Rs>
struct Segment {
  static_assert(dependent_false<Rs...>, "[towpath] Segments: each part is a Repeat<N, Layer>");
};
template <Index first>
struct Segment<first> {
  using type = Identity;
};
template <Index first, Index N, class L, Index any>
struct Segment<first, Repeat<N, L, any>> {
  using type = Repeat<N, L, first>;
  static constexpr Index layers = first + N;
};
template <Index first, Index N, class L, Index any, class Next, class... Rest>
struct Segment<first, Repeat<N, L, any>, Next, Rest...> {
  using After = Segment<first + N, Next, Rest...>;
  using type = Then<Repeat<N, L, first>, typename After::type>;
  static constexpr Index layers = After::layers;
};
}  // namespace detail

// Segments<Repeat<8, Frozen>, Repeat<4, Tuned>>: stacks of different layers, numbered through. Backward stops at the lowest
// segment that trains: what is below is forward only and keeps nothing.
template <class... Repeats>
struct Segments : detail::Segment<0, Repeats...>::type {
  static_assert(sizeof...(Repeats) > 0, "[towpath] Segments: name at least one Repeat<N, Layer>");
  static constexpr Index layers = detail::Segment<0, Repeats...>::layers;
};

// A stack on an environment, cut below its lowest segment that trains: what lies under the cut is a constant function. A stack that trains
// from its first layer on, or is one Repeat, has nothing there.
namespace detail {
template <class M>
concept FrozenBelow = requires { M::First::layers, M::Second::trains; } && !M::First::trains && M::Second::trains;

template <class M>
constexpr Index frozen_layers() {
  if constexpr (FrozenBelow<M>) return M::First::layers + frozen_layers<typename M::Second>();
  else return 0;
}
// y = Bottom(x), x [T, H], y [T, H]
template <class M, class Env>
Tensor<Env> bottom(const M& m, Env& env, Tokens<Env> x) {
  typename M::First::template Saved<Infer> none;
  Tensor<Env> y = m.first.template forward<Infer>(env, x, none);
  if constexpr (FrozenBelow<typename M::Second>) return bottom(m.second, env, like(x, y));
  else return y;
}
// The rest, from y on: M's forward and backward, with M's Saved and Grads.
template <class Pass, class M, class Env, class X, class S>
Tensor<Env> forward_top(const M& m, Env& env, const X& y, S& saved) {
  if constexpr (FrozenBelow<M>) return forward_top<typename M::template Over<Pass>>(m.second, env, y, saved.second);
  else return m.template forward<Pass>(env, y, saved);
}
template <class Pass, class M, class Env, class X, class S, class G>
void backward_top(const M& m, Env& env, View<Env> d, const X& y, S& saved, G& g) {
  if constexpr (FrozenBelow<M>) backward_top<typename M::template Over<Pass>>(m.second, env, d, y, saved.second, g.second);
  else m.template backward<Pass>(env, d, y, saved, g);
}
}  // namespace detail

}  // namespace towpath
