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

}  // namespace towpath
