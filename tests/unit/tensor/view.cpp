#include "towpath/tensor/view.hpp"

#include <array>
#include <doctest/doctest.h>
#include <type_traits>

using namespace towpath;

namespace {
struct Env {
  using Scalar = double;
  using Space = Host;
};
struct Elsewhere {};
using V = BasicView<const double>;
using W = BasicView<double>;

static_assert(std::is_same_v<View<Env>, V> && std::is_same_v<Writable<Env>, W>);
static_assert(std::is_convertible_v<W, V> && !std::is_convertible_v<V, W>, "reading is safe, writing has to be granted");
static_assert(!std::is_convertible_v<BasicView<double, Elsewhere>, V>, "memory of another device is another type");
static_assert(!std::is_convertible_v<BasicView<float>, V>);
static_assert(std::is_trivially_copyable_v<V>);
static_assert(Rows<V, Env> && Rows<W, Env> && Rows<Tokens<Env>, Env> && !Rows<double*, Env> && !Rows<BasicView<const float>, Env>);
static_assert(V{}.empty() && V{}.size() == 0 && V{}.contiguous());

constexpr std::array<double, 12> numbers{0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23};
constexpr V whole{numbers.data(), 3, 4};
static_assert(whole.row(2)[3] == 23 && whole.stride == 4 && whole.size() == 12 && whole.contiguous() && !whole.empty());
static_assert(whole.row_block(1, 2).row(0)[0] == 10 && whole.row_block(1, 2).rows == 2 && whole.row_block(1, 2).contiguous());
static_assert(whole.column_block(1, 2).row(2)[1] == 22 && whole.column_block(1, 2).columns == 2 && whole.column_block(1, 2).stride == 4 &&
              !whole.column_block(1, 2).contiguous());
static_assert(whole.column_block(1, 3).row_block(1, 2).column_block(1, 1).row(1)[0] == 22);  // a block of a block of a block
static_assert(whole.row_block(3, 0).rows == 0 && whole.column_block(4, 0).columns == 0);     // empty ones at the end
static_assert(whole.row_block(1, 1).column_block(0, 2).contiguous());                        // one row has no distance to the next
}  // namespace

TEST_CASE("writing through a block writes into the matrix and nowhere else") {
  std::array<double, 12> m{};
  const W w{m.data(), 3, 4};
  const W block = w.row_block(1, 2).column_block(2, 2);
  for (Index r = 0; r < block.rows; ++r)
    for (Index c = 0; c < block.columns; ++c) block.row(r)[c] = static_cast<double>(1 + 10 * r + c);
  CHECK(m == std::array<double, 12>{0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 11, 12});
  const V read = block;
  CHECK(read.row(1)[1] == 12);
  CHECK(read.stride == 4);
}

TEST_CASE("a stride may be larger than the row") {
  const V padded{numbers.data(), 3, 2, 4};
  CHECK(padded.row(2)[1] == 21);
  CHECK(padded.size() == 6);
  CHECK_FALSE(padded.contiguous());
}

TEST_CASE("like() gives rows in place of rows: a view for a view, tokens with the same sequences for tokens") {
  const Sequences s{{0, 1, 3}};
  const Tokens<Env> tokens{whole, &s};
  const V other{numbers.data(), 3, 1, 4};
  const auto again = like(tokens, other);
  static_assert(std::is_same_v<std::remove_const_t<decltype(again)>, Tokens<Env>>);
  CHECK(again.sequences == &s);
  CHECK(again.rows.columns == 1);
  static_assert(std::is_same_v<decltype(like(whole, other)), V>);
  CHECK(like(whole, other).columns == 1);
  const View<Env> as_view = tokens;
  CHECK(as_view.data == whole.data);
}
