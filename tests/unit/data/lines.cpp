#include "towpath/data/lines.hpp"

#include "scratch.hpp"

using towpath::Lines;

namespace {
std::vector<std::string> all(const std::string& path) {
  Lines lines{path};
  std::vector<std::string> out;
  for (std::string_view line; lines.next(line);) out.emplace_back(line);
  CHECK(lines.number() == static_cast<towpath::Index>(out.size()));
  return out;
}
using V = std::vector<std::string>;
}  // namespace

TEST_CASE("lines end in any of the usual ways") {
  Scratch s;
  CHECK(all(s.write("a", "")) == V{});
  CHECK(all(s.write("b", "\n")) == V{""});
  CHECK(all(s.write("c", "x")) == V{"x"});
  CHECK(all(s.write("d", "x\ny\n")) == V{"x", "y"});
  CHECK(all(s.write("e", "x\r\n\r\ny\r\n")) == V{"x", "", "y"});
  CHECK(all(s.write("f", "x\ry\n\r")) == V{"x\ry", ""});
  CHECK(all(s.write("g", "\xEF\xBB\xBFx\n\xEF\xBB\xBFy")) == V{"x", "\xEF\xBB\xBFy"});
  CHECK(all(s.write("h", std::string("a\0b\nc", 5))) == V{std::string("a\0b", 3), "c"});
}

TEST_CASE("gzip is recognised by its content, and lines may be longer than any buffer") {
  Scratch s;
  std::string text;
  V expected;
  for (int i = 0; i < 50; ++i) {
    expected.push_back(std::string(static_cast<std::size_t>(i * 9973), static_cast<char>('a' + i % 26)));
    text += expected.back() + "\r\n";
  }
  CHECK(all(s.write("long", text)) == expected);
  const auto gz = s.write("long.gz", text);
  CHECK(all(gz) == expected);
  REQUIRE(::rename(gz.c_str(), s.path("renamed.tsv").c_str()) == 0);
  CHECK(all(s.path("renamed.tsv")) == expected);
}

TEST_CASE("what cannot be read is named") {
  Scratch s;
  CHECK(says(complaint([&] { Lines{s.path("none.tsv")}; }), {"cannot read ", "none.tsv", "No such file"}));
  CHECK(says(complaint([&] { Lines{s.path()}; }), {"cannot read ", "it is a folder"}));

  std::string text;
  for (int i = 0; i < 100000; ++i) text += std::to_string(i * 7919 % 100003) + "\n";
  const auto gz = s.write("whole.gz", text);
  struct stat found;
  REQUIRE(::stat(gz.c_str(), &found) == 0);
  REQUIRE(::truncate(gz.c_str(), found.st_size - 6) == 0);
  CHECK(says(complaint([&] { all(gz); }), {"whole.gz stops in the middle (after line ", "the gzip data has no end"}));

  const auto bad = s.write("bad.gz", text);
  std::FILE* f = std::fopen(bad.c_str(), "r+b");
  REQUIRE(f);
  std::fseek(f, -8, SEEK_END);
  std::fputs("\x01\x02\x03\x04", f);    // the checksum
  std::fclose(f);
  CHECK(says(complaint([&] { all(bad); }), {"cannot read ", "bad.gz beyond line "}));
}

TEST_CASE("a malformed line is shown with its number") {
  Scratch s;
  Lines lines{s.write("x.tsv", "one\ntwo\n")};
  std::string_view line;
  lines.next(line);
  lines.next(line);
  const std::string path = s.path("x.tsv");
  CHECK(lines.where() == path + ":2");
  CHECK(complaint([&] { lines.malformed(line, "three", "Count on"); }) == path + ":2: found \"two\": expected three. Count on");
  const std::string wide(59, 'x');    // a character of three bytes does not fit: it is left out whole
  CHECK(complaint([&] { lines.malformed(wide + "東y", "z"); }) == path + ":2: found \"" + wide + "…\": expected z");
}
