#include "towpath/base/json.hpp"

#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace towpath;

namespace {
std::string complaint(const std::string& text, std::size_t depth = 64) {
  try {
    parse_json(text, "x.json", "Repair it", depth);
  } catch (const Error& e) { return e.what(); }
  return "";
}
template <class T>
T value(const Json& j) {
  T v{};
  REQUIRE(j.read(v));
  return v;
}
}  // namespace

TEST_CASE("values of every kind are read") {
  const Json j =
      parse_json(R"( {"a": [1, -2, 2.5, true, null, "\u00e9", {}, []], "b": {"c": {"d": 1}}, "": 0} )", "x", "");
  REQUIRE(j.is_object());
  CHECK(j.size() == 3);
  CHECK(j.key(0) == "");  // sorted
  CHECK(j.key(2) == "b");
  const Json& a = *j.find("a");
  REQUIRE(a.is_array());
  CHECK(a.size() == 8);
  CHECK(value<int>(a[0]) == 1);
  CHECK(value<long>(a[1]) == -2);
  CHECK(value<double>(a[1]) == -2);
  CHECK(value<double>(a[2]) == 2.5);
  CHECK(value<bool>(a[3]));
  CHECK(a[4].is_null());
  CHECK(value<std::string>(a[5]) == "\xc3\xa9");
  CHECK(a[6].is_object());
  CHECK(a[7].is_array());
  CHECK(value<int>(*j.find("b")->find("c")->find("d")) == 1);
  CHECK(value<int>(*j.find("")) == 0);
  CHECK(j.find("c") == nullptr);
  CHECK(a.find("a") == nullptr);
  CHECK(value<int>(parse_json("3", "x", "")) == 3);
  CHECK(value<int>(parse_json("\xEF\xBB\xBF 3 \n", "x", "")) == 3);  // behind a byte order mark
  CHECK(value<std::string>(parse_json("\"a\\u0000\\ud83d\\ude00\"", "x", "")) == std::string("a\0\xF0\x9F\x98\x80", 6));
}

TEST_CASE("read says whether the value is of that kind and fits, and leaves what it cannot set") {
  const Json j = parse_json(R"([300, -1, 1.0, "1", true, 9223372036854775808, [1, 2], [1, "2"]])", "x", "");
  int i = 7;
  signed char c = 7;
  unsigned u = 7;
  bool b = false;
  double d = 7;
  std::string s = "7";
  std::vector<int> v;
  CHECK(j[0].read(i));
  CHECK_FALSE(j[0].read(c));
  CHECK_FALSE(j[1].read(u));
  CHECK_FALSE(j[2].read(u));
  CHECK_FALSE(j[3].read(d));
  CHECK_FALSE(j[4].read(u));
  CHECK_FALSE(j[0].read(b));
  CHECK_FALSE(j[0].read(s));
  CHECK_FALSE(j[5].read(i));
  CHECK(j[6].read(v));
  CHECK_FALSE(j[7].read(v));
  CHECK_FALSE(j[0].read(v));
  CHECK(i == 300);
  CHECK(c == 7);
  CHECK(u == 7);
  CHECK(d == 7);
  CHECK(s == "7");
  CHECK(v == std::vector<int>{1, 2});
}

TEST_CASE("numbers are exact, and come back as they were") {
  const auto through = [](const char* text) { return parse_json(text, "x", "").dump(); };
  for (const char* text : {"0", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615", "0.1", "1e-12", "1.0",
                           "-0.0", "5e-324", "1.7976931348623157e+308", "0.3333333333333333", "123456.789"})
    CHECK(through(text) == text);
  CHECK(value<std::uint64_t>(parse_json("18446744073709551615", "x", "")) == ~std::uint64_t{0});
  // wider than 64 bits, as Hugging Face writes "no limit": a real
  CHECK(value<double>(parse_json("1000000000000000019884624838656", "x", "")) == 1000000000000000019884624838656.0);
  CHECK(through("1e-999") == "0.0");
  for (const char* text : {"01", "+1", ".5", "1.", "0x1", "1e", "- 1", "Infinity"}) CHECK(complaint(text).find("near byte") != std::string::npos);
  CHECK(Json(1.0 / 0.0).dump() == "null");
}

TEST_CASE("written: on one line, indented, keys sorted, and nothing but UTF-8") {
  Json j = {{"b", {1, 2.5, "x"}}, {"a", nullptr}, {"c", {{"d", true}}}, {"e", std::vector<double>{}}};
  CHECK(j.dump() == R"({"a":null,"b":[1,2.5,"x"],"c":{"d":true},"e":[]})");
  CHECK(j.dump(2) == "{\n  \"a\": null,\n  \"b\": [\n    1,\n    2.5,\n    \"x\"\n  ],\n  \"c\": {\n    \"d\": true\n  },\n  \"e\": []\n}");
  j["aa"] = std::uint64_t{1} << 63;
  j["c"]["c"] = Json::object();
  CHECK(j.dump() == R"({"a":null,"aa":9223372036854775808,"b":[1,2.5,"x"],"c":{"c":{},"d":true},"e":[]})");
  CHECK(parse_json(j.dump(), "x", "").dump() == j.dump());
  CHECK(Json("\"\\/\b\n\x1f\xc3\xa9").dump() == "\"\\\"\\\\/\\u0008\\n\\u001f\xc3\xa9\"");
  const std::string replaced = "\xEF\xBF\xBD";
  CHECK(Json("a\xff z").dump() == "\"a" + replaced + " z\"");
  CHECK(Json("\xed\xa0\x80").dump() == "\"" + replaced + replaced + replaced + "\"");  // half a surrogate pair
  CHECK(Json("\xc3").dump() == "\"" + replaced + "\"");
  CHECK(Json("\xf4\x8f\xbf\xbf").dump() == "\"\xf4\x8f\xbf\xbf\"");
  CHECK_THROWS_AS(j["c"].push_back(1), Error);
  CHECK_THROWS_AS(j["b"]["x"], Error);
}

TEST_CASE("thousands of keys, in any order") {
  std::string text = "{";
  for (int i = 0; i < 30000; ++i) text += "\"key " + std::to_string(i * 7919 % 30000) + "\": " + std::to_string(i) + (i + 1 < 30000 ? "," : "}");
  const Json j = parse_json(text, "x", "");
  CHECK(j.size() == 30000);
  CHECK(value<int>(*j.find("key 7919")) == 1);
  CHECK(j.key(1) == "key 1");
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
  CHECK(complaint(std::string("{}\0{", 4)) == "cannot read x.json: the text breaks off or goes wrong near byte 3. Repair it");
  CHECK(complaint("[\"\xff\"]").find("near byte 3") != std::string::npos);
  CHECK(complaint("[1e999]").find("near byte") != std::string::npos);
  CHECK(complaint("[NaN]").find("near byte") != std::string::npos);
}
