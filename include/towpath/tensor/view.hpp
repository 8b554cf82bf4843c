#pragma once

#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"
#include "towpath/tensor/buffer.hpp"
#include "towpath/tensor/ragged.hpp"

#include <concepts>
#include <type_traits>

namespace towpath {

// A window on a row-major matrix that somebody else owns: pointer, rows, columns, distance between rows. No arithmetic.
template <class T, class Space = Host>
struct BasicView {
  T* data = nullptr;
  Index rows = 0, columns = 0, stride = 0;

  constexpr BasicView() = default;
  constexpr BasicView(T* d, Index r, Index c) : BasicView(d, r, c, c) {}
  constexpr BasicView(T* d, Index r, Index c, Index s) : data(d), rows(r), columns(c), stride(s) {}
  template <class U>
    requires(std::is_const_v<T> && std::is_same_v<U, std::remove_const_t<T>>)
  constexpr BasicView(const BasicView<U, Space>& o) : BasicView(o.data, o.rows, o.columns, o.stride) {}

  constexpr bool empty() const { return data == nullptr; }
  constexpr Index size() const { return rows * columns; }
  constexpr bool contiguous() const { return stride == columns || rows <= 1; }
  constexpr T* row(Index r) const { return data + r * stride; }
  constexpr BasicView row_block(Index first, Index count) const {
    TOWPATH_CHECK(first >= 0 && count >= 0 && first + count <= rows);
    return {data + first * stride, count, columns, stride};
  }
  constexpr BasicView column_block(Index first, Index count) const {
    TOWPATH_CHECK(first >= 0 && count >= 0 && first + count <= columns);
    return {data + first, rows, count, stride};
  }
};

// What functions take: read-only, and writable.
template <class Env>
using View = BasicView<const typename Env::Scalar, typename Env::Space>;
template <class Env>
using Writable = BasicView<typename Env::Scalar, typename Env::Space>;

// Rows that are tokens of several sequences: a View that also knows where each sequence begins. Modules that look across
// tokens (attention, pooling) ask for it; to everybody else it is a View.
template <class Env>
struct Tokens {
  View<Env> rows;
  const Sequences* sequences = nullptr;

  constexpr operator View<Env>() const { return rows; }
};

// The same where only the first token of each sequence will be looked at afterwards: to a module that works on each row by itself it is those
// rows; one that looks across tokens reads `all`, and gives back a row for each sequence. So the last of these narrows the tokens
// to what is pooled, and what stands above it is spared the others. Gradients: what a module adds to (a Finish's plus) has a
// row for each sequence, the gradient of the input, from the module that narrows, one for each token.
template <class Env>
struct Firsts {
  Tokens<Env> all;
  View<Env> rows;  // [S, H]: the first of each sequence

  constexpr operator View<Env>() const { return rows; }
};

// What a module may be given as its input: a View, or more.
template <class X, class Env>
concept Rows = std::convertible_to<const X&, View<Env>>;

// Another matrix with the rows of x: what a container hands to the next module in place of x.
template <class T, class Space>
constexpr BasicView<const T, Space> like(const BasicView<const T, Space>&, std::type_identity_t<BasicView<const T, Space>> y) {
  return y;
}
template <class Env>
constexpr Tokens<Env> like(const Tokens<Env>& x, std::type_identity_t<View<Env>> y) {
  return {y, x.sequences};
}
template <class Env>
constexpr View<Env> like(const Firsts<Env>&, std::type_identity_t<View<Env>> y) {
  return y;
}
template <class X>
inline constexpr bool narrows = false;
template <class Env>
inline constexpr bool narrows<Firsts<Env>> = true;

}  // namespace towpath
