#include "towpath/base/text.hpp"

#include <doctest/doctest.h>
#include <string>
#include <type_traits>

using namespace towpath;

namespace {
template <fixed_string name>
struct Named {
  static constexpr auto text = name;
};
static_assert(Named<"output.dense">::text.view() == "output.dense" && Named<"">::text.view().empty());
static_assert(std::is_same_v<Named<"a">, Named<"a">> && !std::is_same_v<Named<"a">, Named<"b">> && !std::is_same_v<Named<"a">, Named<"ab">>);
static_assert((fixed_string{"ab"} + fixed_string{"cde"}).view() == "abcde");
static_assert((fixed_string{""} + fixed_string{"x"}).view() == "x" && (fixed_string{"x"} + fixed_string{""}).view() == "x");
static_assert((fixed_string{"a"} + fixed_string{"b"} + fixed_string{"c"}) == fixed_string{"abc"});
static_assert(Named<fixed_string{"a."} + fixed_string{"b"}>::text.view() == "a.b");

static_assert((Path{} / "encoder.layer" / 3 / "output.dense" / "weight").view() == "encoder.layer.3.output.dense.weight");
static_assert(Path{}.empty() && Path{}.view().empty() && !(Path{} / "a").empty());
static_assert((Path{} / "" / "a" / "" / "b" / "").view() == "a.b");  // an empty step adds nothing
static_assert((Path{"start"} / "a").view() == "start.a" && (Path{""} / "a").view() == "a");
static_assert((Path{} / 0).view() == "0" && (Path{} / 10).view() == "10" && (Path{} / 9876543210).view() == "9876543210");
static_assert([] {
  const Path a = Path{} / "a";
  const Path b = a / "b", c = a / "c";  // a step makes a new value
  return a.view() == "a" && b.view() == "a.b" && c.view() == "a.c";
}());
}  // namespace

TEST_CASE("a path converts to text of its own and to a view") {
  const Path p = Path{} / std::string("from a string") / "x";
  CHECK(p.string() == "from a string.x");
  const std::string_view v = p;
  CHECK(v == "from a string.x");
}

TEST_CASE("a name may fill the capacity; one character more is an error that says where") {
  const std::string longest(Path::capacity - 2, 'n');
  CHECK((Path{} / longest / "w").view().size() == Path::capacity);
  CHECK_THROWS_AS(Path{} / longest / "ww", Error);
  CHECK_NOTHROW(Path{} / longest / "w" / "");
  try {
    static_cast<void>(Path(longest) / "weight");
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.complaint().what.find(std::to_string(Path::capacity)) != std::string::npos);
    CHECK(e.complaint().why.find("nnnn") != std::string::npos);
  }
}
