#include "../../../examples/plot.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <string>
#include <vector>

namespace {

std::size_t count(const std::string& s, const std::string& piece) {
  std::size_t n = 0;
  for (auto at = s.find(piece); at != s.npos; at = s.find(piece, at + piece.size())) ++n;
  return n;
}

// Is each element closed, in the right order, and every & the start of an entity?
bool well_formed(const std::string& s) {
  std::vector<std::string> open;
  for (std::size_t at = s.find('<'); at != s.npos; at = s.find('<', at + 1)) {
    const auto end = s.find('>', at), again = s.find('<', at + 1);
    if (end == s.npos || again < end) return false;
    const std::string inside = s.substr(at + 1, end - at - 1);
    if (count(inside, "\"") % 2) return false;
    if (inside.back() == '/') continue;
    const std::string name = inside.substr(0, inside.find(' '));
    if (name[0] != '/') open.push_back(name);
    else if (open.empty() || "/" + open.back() != name) return false;
    else open.pop_back();
  }
  return open.empty() && s.find("nan") == s.npos && s.find("inf") == s.npos && count(s, "&") == count(s, "&amp;") + count(s, "&lt;") + count(s, "&gt;") + count(s, "&quot;");
}

constexpr double lost = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("lines: one for each series, its band, its name and both axes") {
  const std::string s = plot::lines({.title = "a < b & c", .x = {"steps"}, .y = {"loss", true}},
                                    {{.name = "one", .x = {0, 10, 20}, .y = {1, 0.1, 0.01}, .low = {0.5, 0.05, 0.005}, .high = {2, 0.2, 0.02}},
                                     {.name = "two", .x = {0, 10, 20, 30, 40}, .y = {1, 0.5, lost, 0.3, 0.2}, .points = true}});
  CHECK(well_formed(s));
  CHECK(s.starts_with("<svg "));
  CHECK(count(s, "<polyline") == 3);  // the second is interrupted
  CHECK(count(s, "<polygon") == 1);
  CHECK(count(s, "<circle") == 4);
  for (const char* piece : {">one<", ">two<", ">steps<", ">loss<", "a &lt; b &amp; c", ">0.01<", ">0.1<", ">1<", ">40<"}) {
    CAPTURE(piece);
    CHECK(count(s, piece) == 1);
  }
}

TEST_CASE("a line goes where its numbers say: up on the page is a smaller y") {
  const plot::Chart chart{.x = {.low = 0, .high = 10}, .y = {.low = 0, .high = 1}, .width = 720, .height = 400};
  const std::string s = plot::lines(chart, {{.x = {0, 5, 10}, .y = {0, 0.5, 1}}});
  CHECK(s.find("points=\"66.00,352.00 383.00,192.00 700.00,32.00 \"") != s.npos);
}

TEST_CASE("lines that are hard to draw are drawn nevertheless") {
  CHECK(well_formed(plot::lines({}, {})));
  CHECK(well_formed(plot::lines({.y = {"y", true}}, {{.name = "none positive", .x = {1, 2}, .y = {0, -1}}})));
  CHECK(well_formed(plot::lines({}, {{.name = "flat", .x = {1, 2}, .y = {3, 3}}})));
  CHECK(well_formed(plot::lines({}, {{.name = "one", .x = {1}, .y = {0}}})));
  CHECK(well_formed(plot::lines({}, {{.name = "lost", .x = {1, lost}, .y = {lost, 1}}})));
  CHECK(well_formed(plot::lines({.y = {"y", true, 0.0}}, {{.name = "log from 0", .x = {1, 2}, .y = {1, 10}}})));
  std::vector<plot::Line> many(10, {.name = "n", .x = {0, 1}, .y = {0, 1}});
  CHECK(count(plot::lines({}, many), "stroke-dasharray") == 4);  // beyond the palette: the line and its legend
}

TEST_CASE("ticks are round numbers inside the axis") {
  const auto names = [](const plot::Axis& axis, double low, double high, int wanted) {
    std::string all;
    for (const auto& t : plot::detail::Scale(axis, low, high, 0, 1, false).ticks(wanted)) all += t.name + " ";
    return all;
  };
  CHECK(names({}, 0, 1, 5) == "0 0.2 0.4 0.6 0.8 1 ");
  CHECK(names({}, -1, 1, 4) == "-1 -0.5 0 0.5 1 ");
  CHECK(names({}, 0, 1200, 6) == "0 200 400 600 800 1000 1200 ");
  CHECK(names({.log = true}, 0.001, 1000, 8) == "0.001 0.01 0.1 1 10 100 1000 ");
  CHECK(names({.log = true}, 0.1, 3, 6) == "0.1 0.2 0.5 1 2 ");
  CHECK(names({.log = true}, 2, 4, 4) == "2 2.5 3 3.5 4 ");
}

TEST_CASE("heat: a cell for each value, the lowest dark, contours about a bowl") {
  plot::Grid grid{.rows = 25, .columns = 25, .title = "loss", .levels = 3};
  for (int r = 0; r < 25; ++r)
    for (int c = 0; c < 25; ++c) grid.values.push_back((r - 12) * (r - 12) + (c - 12) * (c - 12));
  const plot::Chart chart{.title = "surface", .x = {"a", false, -1, 1}, .y = {"b", false, -1, 1}, .width = 520, .height = 440};
  std::string s = plot::heat(chart, grid);
  CHECK(well_formed(s));
  CHECK(count(s, "<rect") == 625 + 64 + 2);
  CHECK(count(s, plot::detail::shade(0)) == 1);  // the bottom of the bowl
  CHECK(count(s, plot::detail::shade(1)) == 4);  // its corners
  CHECK(count(s, "<path") == 3);
  CHECK(count(s, ">-1<") == 2);
  CHECK(count(s, ">loss<") == 1);
  grid.values[7] = lost;
  grid.values[8] = 0;
  grid.log = true;
  s = plot::heat(chart, grid);
  CHECK(well_formed(s));
  CHECK(count(s, "#bbbbbb") == 3);  // no number, and two zeros on a logarithmic scale
  CHECK(well_formed(plot::heat({}, {})));
  CHECK(well_formed(plot::heat({}, {.rows = 1, .columns = 1, .values = {2}})));
}
