#include "towpath/tensor/tensor.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

using namespace towpath;

namespace {
struct Env {
  using Scalar = float;
  using Space = Host;
};
using T = Tensor<Env>;
using Shared = SharedTensor<Env>;

static_assert(!std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>, "copies only when asked to");
static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>);
static_assert(std::is_convertible_v<const T&, View<Env>> && std::is_convertible_v<T&, Writable<Env>>);
static_assert(!std::is_convertible_v<const T&, Writable<Env>> && !std::is_convertible_v<const Shared&, Writable<Env>> &&
              !std::is_convertible_v<Shared&, Writable<Env>>, "what is const, or shared, cannot be written to");
static_assert(std::is_convertible_v<const Shared&, View<Env>> && std::is_copy_constructible_v<Shared>);
static_assert(!std::is_convertible_v<Index, T>, "a number is not a tensor");
static_assert(std::is_same_v<Weight<Env, true>, T> && std::is_same_v<Weight<Env, false>, Shared>);

// On the blueprint there are extents and no memory, so all of it is constant.
static_assert(Tensor<Blueprint>(3, 4).size() == 12 && Tensor<Blueprint>(5).rows() == 1 && Tensor<Blueprint>(5).columns() == 5);
static_assert(SharedTensor<Blueprint>(3, 4).size() == 12 && SharedTensor<Blueprint>(7).size() == 7 && Tensor<Blueprint>().size() == 0);
static_assert(std::is_trivially_destructible_v<Tensor<Blueprint>>);

void fill(T& t) {
  for (Index i = 0; i < t.size(); ++i) t.data()[i] = static_cast<float>(i + 1);
}
}  // namespace

TEST_CASE("a tensor has its extents, zeros, and the number of dimensions that a file would have") {
  const T matrix(3, 5), vector(7), none, no_rows(0, 5);
  CHECK(matrix.rows() == 3);
  CHECK(matrix.columns() == 5);
  CHECK(matrix.size() == 15);
  CHECK(matrix.dimensions() == 2);
  for (Index i = 0; i < 15; ++i) CHECK(matrix.data()[i] == 0);
  CHECK(vector.rows() == 1);
  CHECK(vector.columns() == 7);
  CHECK(vector.dimensions() == 1);
  CHECK(none.empty());
  CHECK(none.size() == 0);
  CHECK(no_rows.columns() == 5);
  CHECK(no_rows.size() == 0);
  CHECK_FALSE(matrix.empty());
  CHECK(reinterpret_cast<std::uintptr_t>(matrix.data()) % 64 == 0);
}

TEST_CASE("views of a tensor are views of its memory") {
  T t(3, 5);
  fill(t);
  const View<Env> v = t;
  CHECK(v.data == t.data());
  CHECK(v.rows == 3);
  CHECK(v.columns == 5);
  CHECK(v.stride == 5);
  CHECK(v.row(2)[4] == 15);
  t.writable().row(1)[1] = -1;
  CHECK(t.data()[6] == -1);
  CHECK(t.view().row(1)[1] == -1);
  t.clear();
  CHECK(t.view().row(2)[4] == 0);
}

TEST_CASE("copy() is a matrix of its own with the same shape, dimensions and values") {
  T t(4);
  fill(t);
  const T c = t.copy();
  CHECK(c.data() != t.data());
  CHECK(c.dimensions() == 1);
  CHECK(c.columns() == 4);
  t.clear();
  CHECK(c.data()[3] == 4);
  const T nothing = T().copy();
  CHECK(nothing.empty());
}

TEST_CASE("moving hands the memory on") {
  T a(2, 2);
  fill(a);
  const float* p = a.data();
  T b = std::move(a);
  CHECK(b.data() == p);
  CHECK(a.empty());
  T c(9, 9);
  c = std::move(b);
  CHECK(c.data() == p);
  CHECK(c.rows() == 2);
  CHECK(b.empty());
  CHECK(c.data()[3] == 4);
}

TEST_CASE("a tensor of a pool gives its memory back to it") {
  const auto pool = std::make_shared<Pool<Host>>();
  for (int i = 0; i < 10; ++i) {
    T t(pool, 30, 40);
    CHECK(t.rows() == 30);
    CHECK(t.dimensions() == 2);
    const T copied = t.copy();  // copies are kept, so they do not come from the pool
  }
  CHECK(pool->fetched() == 1);
}

TEST_CASE("a shared tensor has extents from the start and values from whoever has them; it keeps their owner alive") {
  Shared s(2, 3);
  CHECK(s.empty());
  CHECK(s.size() == 6);
  CHECK(s.dimensions() == 2);
  CHECK(Shared(3).dimensions() == 1);
  CHECK(Shared(3).rows() == 1);
  auto owner = std::make_shared<std::vector<float>>(6, 2.5f);
  const std::weak_ptr<std::vector<float>> watched = owner;
  s.refer(owner, owner->data());
  owner.reset();
  CHECK_FALSE(watched.expired());
  CHECK(s.view().row(1)[2] == 2.5f);
  {
    const Shared other = s;  // the same memory, a second owner
    s = Shared(2, 3);
    CHECK(s.empty());
    CHECK_FALSE(watched.expired());
    CHECK(other.data()[5] == 2.5f);
  }
  CHECK(watched.expired());
}

TEST_CASE("a shared tensor can take over a tensor, without copying it") {
  T t(2, 2);
  fill(t);
  const float* p = t.data();
  Shared s(2, 2);
  s.refer(std::move(t));
  CHECK(s.data() == p);
  CHECK(s.view().row(1)[1] == 4);
}
