#include "towpath/io/json.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace towpath;

namespace {
std::string complaint(const std::string& text, std::size_t depth = 64) {
  try {
    parse_json(text, "x.json", "Repair it", depth);
  } catch (const Error& e) { return e.what(); }
  return "";
}
}  // namespace

TEST_CASE("values of every kind are read") {
  const Json j =
      parse_json(R"( {"a": [1, -2, 2.5, true, null, "\u00e9", {}, []], "b": {"c": {"d": 1}}, "": 0} )", "x", "");
  CHECK(j["a"].size() == 8);
  CHECK(j["a"][0].is_number_unsigned());
  CHECK(j["a"][1].get<int>() == -2);
  CHECK(j["a"][5].get<std::string>() == "\xc3\xa9");
  CHECK(j["b"]["c"]["d"].get<int>() == 1);
  CHECK(j[""].get<int>() == 0);
  CHECK(parse_json("3", "x", "").get<int>() == 3);
}

TEST_CASE("a key twice, too much depth and broken text are refused") {
  CHECK(complaint(R"({"a": 1, "a": 2})") == "cannot read x.json: the key \"a\" occurs twice. Repair it");
  CHECK(complaint(R"({"b": {"a": 1}, "a": {"b": 1}})").empty());
  CHECK(complaint("[[[1]]]", 3).empty());
  CHECK(complaint("[[[[1]]]]", 3) == "cannot read x.json: it is nested more than 3 deep. Repair it");
  CHECK(complaint(std::string(5'000'000, '[')) == "cannot read x.json: it is nested more than 64 deep. Repair it");
  CHECK(complaint("{\"a\": 1").find("near byte") != std::string::npos);
  CHECK(complaint("{} {}").find("near byte") != std::string::npos);
  CHECK(complaint("").find("near byte") != std::string::npos);
  CHECK(complaint("[\"\xff\"]").find("near byte") != std::string::npos);
  CHECK(complaint("[1e999]").find("near byte") != std::string::npos);
  CHECK(complaint("[NaN]").find("near byte") != std::string::npos);
}
