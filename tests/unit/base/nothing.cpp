#include "towpath/base/nothing.hpp"

#include <doctest/doctest.h>
#include <type_traits>
#include <vector>

using namespace towpath;

namespace {
static_assert(std::is_empty_v<Nothing<>> && std::is_empty_v<Nothing<tag::weight>>);
static_assert(!std::is_same_v<Nothing<tag::weight>, Nothing<tag::bias>>);
static_assert(std::is_same_v<If<true, int, tag::bias>, int> && std::is_same_v<If<false, int, tag::bias>, Nothing<tag::bias>>);
static_assert(is_nothing<Nothing<>> && is_nothing<If<false, int, tag::mask>> && !is_nothing<If<true, int, tag::mask>>);
static_assert(!dependent_false<int> && !dependent_false<>);

template <bool weight, bool bias, bool mask>
struct Members {
  [[no_unique_address]] If<weight, std::vector<int>, tag::weight> a;
  [[no_unique_address]] If<bias, std::vector<int>, tag::bias> b;
  [[no_unique_address]] If<mask, int, tag::mask> c;
};
static_assert(std::is_empty_v<Members<false, false, false>>);
static_assert(!std::is_empty_v<Members<false, false, true>> && !std::is_empty_v<Members<true, false, false>>);
}  // namespace

TEST_CASE("members that are absent take no room, because each has a tag of its own") {
  CHECK(sizeof(Members<false, false, false>) == 1);
  CHECK(sizeof(Members<false, false, true>) == sizeof(int));
  CHECK(sizeof(Members<false, true, false>) == sizeof(std::vector<int>));
}
