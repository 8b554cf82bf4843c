#include "towpath/train/progress.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace towpath;

TEST_CASE("times as people write them") {
  CHECK(clock_time(0) == "0:00");
  CHECK(clock_time(247) == "4:07");
  CHECK(clock_time(3909) == "1:05:09");
  CHECK(clock_time(-3) == "0:00");
}

TEST_CASE("in a file, a bar is lines: one at the end at least, none in between when work is quick") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file);
  {
    Progress p("encode", 200, file);
    for (Index i = 1; i <= 200; ++i) p.at(i, "note " + std::to_string(i));
  }
  std::rewind(file);
  char text[400];
  const std::size_t n = std::fread(text, 1, sizeof text, file);
  std::fclose(file);
  const std::string s(text, n);
  CHECK(s == "encode 100 %  note 200  0:00 left\n");
}

TEST_CASE("without a place to write, nothing happens") {
  Progress p("encode", 0, nullptr);
  p.at(1, "x");
  p.finish();
}
