#include "towpath/base/list.hpp"

#include <doctest/doctest.h>
#include <tuple>
#include <type_traits>

using namespace towpath;

namespace {
struct A {};
struct B {};
struct C {};
template <class T>
using IsNotB = std::bool_constant<!std::is_same_v<T, B>>;
template <class>
using None = std::false_type;

static_assert(List<>::size == 0 && List<A, B, A>::size == 3);
static_assert(list::count<A, List<A, B, A>> == 2 && list::count<C, List<A, B, A>> == 0 && list::count<A, List<>> == 0);
static_assert(list::contains<B, List<A, B>> && !list::contains<C, List<A, B>> && !list::contains<A, List<>>);
static_assert(list::unique<List<>> && list::unique<List<A>> && list::unique<List<A, B, C>>);
static_assert(!list::unique<List<A, A>> && !list::unique<List<A, B, C, A>>);
static_assert(!list::contains<A, List<const A, A&>>);  // types as they are written
static_assert(std::is_same_v<list::join<>, List<>> && std::is_same_v<list::join<List<A>>, List<A>>);
static_assert(std::is_same_v<list::join<List<A>, List<>, List<B, A>, List<C>>, List<A, B, A, C>>);
static_assert(std::is_same_v<list::join<List<>, List<>>, List<>>);
static_assert(std::is_same_v<list::filter<IsNotB, List<B, A, B, C, A, B>>, List<A, C, A>>);
static_assert(std::is_same_v<list::filter<None, List<A, B>>, List<>> && std::is_same_v<list::filter<None, List<>>, List<>>);
static_assert(std::is_same_v<list::apply<std::tuple, List<A, B>>, std::tuple<A, B>>);
static_assert(std::is_same_v<list::apply<List, List<>>, List<>>);
}  // namespace

TEST_CASE("lists are facts of the compiler; a list itself is an empty value") {
  CHECK(std::is_empty_v<List<A, B, C>>);
  CHECK(list::filter<IsNotB, List<A, B, C>>::size == 2);
}
