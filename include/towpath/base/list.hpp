#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

namespace towpath {

// List<Ts...>: a pack that can be passed around.
template <class... Ts>
struct List {
  static constexpr std::size_t size = sizeof...(Ts);
};

namespace list {

template <class T, class L>
inline constexpr std::size_t count = 0;
template <class T, class... Ts>
inline constexpr std::size_t count<T, List<Ts...>> = (std::size_t{std::is_same_v<T, Ts>} + ... + 0);

template <class T, class L>
inline constexpr bool contains = count<T, L> > 0;

template <class L>
inline constexpr bool unique = true;
template <class... Ts>
inline constexpr bool unique<List<Ts...>> = ((count<Ts, List<Ts...>> == 1) && ...);

namespace detail {
template <class... Ls>
struct Join {
  using type = List<>;
};
template <class... As>
struct Join<List<As...>> {
  using type = List<As...>;
};
template <class... As, class... Bs, class... Rest>
struct Join<List<As...>, List<Bs...>, Rest...> : Join<List<As..., Bs...>, Rest...> {};
}  // namespace detail

template <class... Ls>
using join = typename detail::Join<Ls...>::type;

// filter<Keep, List<Ts...>>: those T with Keep<T>::value, in order.
template <template <class> class Keep, class L>
struct filter_of;
template <template <class> class Keep, class... Ts>
struct filter_of<Keep, List<Ts...>> {
  using type = join<std::conditional_t<Keep<Ts>::value, List<Ts>, List<>>...>;
};
template <template <class> class Keep, class L>
using filter = typename filter_of<Keep, L>::type;

template <template <class...> class Into, class L>
struct apply_of;
template <template <class...> class Into, class... Ts>
struct apply_of<Into, List<Ts...>> {
  using type = Into<Ts...>;
};
template <template <class...> class Into, class L>
using apply = typename apply_of<Into, L>::type;

}  // namespace list
}  // namespace towpath
