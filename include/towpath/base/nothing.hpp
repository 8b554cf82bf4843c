#pragma once

#include <type_traits>

namespace towpath {

// An empty type per use. Two empty members of the same type may not share an address, so each member that may be absent
// carries a tag of its own.
template <class Tag = void>
struct Nothing {};

// The tags of our own members; only their names matter.
namespace tag {
struct weight;
struct bias;
struct stats;
struct slope;
struct mask;
struct middle;
struct later;
struct input;
struct kept;
struct sum;
struct word;
struct position;
struct type;
struct output;
}  // namespace tag

// If<condition, T, Tag>: T where the condition holds, otherwise an empty type.
template <bool condition, class T, class Tag = void>
using If = std::conditional_t<condition, T, Nothing<Tag>>;

template <class T>
inline constexpr bool is_nothing = false;
template <class Tag>
inline constexpr bool is_nothing<Nothing<Tag>> = true;

// For primary templates that exist only to say what should have been written.
template <class...>
inline constexpr bool dependent_false = false;

}  // namespace towpath
