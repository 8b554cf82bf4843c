// Plots for reports, each a piece of SVG that stands by itself: in a file, or as it is in the middle of HTML. Colours are those of Okabe and
// Ito, which people who confuse red and green tell apart (and lines beyond the eighth are dashed); surfaces have a scale that grows in lightness.
//   plot::Chart chart{.title = "dev nDCG@10", .x = {"steps"}, .y = {"nDCG@10"}};
//   file << plot::lines(chart, {{.name = "IAA-L", .x = steps, .y = mean, .low = lowest, .high = highest}});
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plot {

// Bounds that are not given follow from what is drawn. On a logarithmic axis numbers that are not positive have no place and are left out.
struct Axis {
  std::string title{};
  bool log = false;
  std::optional<double> low{}, high{};
};
struct Chart {
  std::string title{};
  Axis x{}, y{};
  int width = 720, height = 400;
};

// y over x; where they are given, low and high bound a band about it. A number that is not finite interrupts the line.
struct Line {
  std::string name{};
  std::vector<double> x{}, y{}, low{}, high{};
  bool points = false;  // a mark at each number
};

// values[r * columns + c] at height r and place c: rows and columns spread evenly over the axes, whose bounds (else 0 … n - 1) are those of
// the outermost values. `levels` contours are drawn on it.
struct Grid {
  std::size_t rows = 0, columns = 0;
  std::vector<double> values{};
  std::string title{};  // of the scale of colours
  bool log = false;     // the scale of colours
  int levels = 0;
};

namespace detail {

inline std::string text(double v, const char* format = "%.4g") {
  char s[40];
  std::snprintf(s, sizeof s, format, v == 0 ? 0.0 : v);
  return s;
}
inline std::string place(double v) { return text(v, "%.2f"); }

inline std::string escaped(std::string_view s) {
  std::string out;
  for (char c : s) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  return out;
}

inline std::string label(double x, double y, const char* anchor, std::string_view s, const char* more = "") {
  return "<text x=\"" + place(x) + "\" y=\"" + place(y) + "\" text-anchor=\"" + anchor + "\"" + more + ">" + escaped(s) + "</text>\n";
}
inline std::string segment(double x1, double y1, double x2, double y2, const char* stroke) {
  return "<line x1=\"" + place(x1) + "\" y1=\"" + place(y1) + "\" x2=\"" + place(x2) + "\" y2=\"" + place(y2) + "\" stroke=\"" + stroke + "\"/>\n";
}

struct Tick {
  double at;
  std::string name;
};

// From numbers to places on the page.
class Scale {
public:
  Scale(const Axis& axis, double low, double high, double from, double to, bool room) : log_(axis.log), from_(from), to_(to) {
    if (!(low <= high)) low = high = 1;  // nothing that can be drawn
    if (log_ && axis.low.value_or(1) <= 0) low = high;
    if (low == high) {
      const double d = log_ ? 1 : low == 0 ? 1 : std::fabs(low) * 0.1;
      low = log_ ? low / 10 : low - d;
      high = log_ ? high * 10 : high + d;
    } else if (room) {
      const double d = 0.04 * (shape(high) - shape(low));
      if (!axis.low) low = log_ ? low / std::pow(10, d) : low - d;
      if (!axis.high) high = log_ ? high * std::pow(10, d) : high + d;
    }
    low_ = low;
    high_ = high;
  }
  bool holds(double v) const { return std::isfinite(v) && (!log_ || v > 0); }
  double operator()(double v) const {
    const double a = shape(low_), b = shape(high_);
    return from_ + (std::clamp(shape(v), std::min(a, b), std::max(a, b)) - a) / (b - a) * (to_ - from_);
  }
  double low() const { return low_; }
  double high() const { return high_; }
  // The number that stands at a share of the way.
  double at(double share) const {
    const double s = shape(low_) + share * (shape(high_) - shape(low_));
    return log_ ? std::pow(10, s) : s;
  }
  double share(double v) const { return std::clamp((shape(v) - shape(low_)) / (shape(high_) - shape(low_)), 0.0, 1.0); }

  std::vector<Tick> ticks(int wanted) const {
    std::vector<Tick> all;
    const double decades = log_ ? std::log10(high_ / low_) : 0;
    if (log_ && decades >= 0.9) {
      const int stride = std::max(1, static_cast<int>(std::ceil(decades / wanted)));
      for (int e = static_cast<int>(std::floor(std::log10(low_))); std::pow(10, e) <= high_ * 1.0001; ++e)
        for (double m : {1.0, 2.0, 5.0}) {
          const double v = m * std::pow(10, e);
          if (v < low_ * 0.9999 || v > high_ * 1.0001 || (m != 1 && decades > 2.2) || (m == 1 && e % stride != 0)) continue;
          all.push_back({v, text(v)});
        }
      return all;
    }
    const double rough = (high_ - low_) / wanted, magnitude = std::pow(10, std::floor(std::log10(rough)));
    double step = magnitude;
    for (double m : {1.0, 2.0, 2.5, 5.0, 10.0})
      if (m * magnitude >= rough * 0.9999) {
        step = m * magnitude;
        break;
      }
    const double first = std::ceil(low_ / step - 1e-9);
    for (int i = 0; i < 100 && (first + i) * step <= high_ + 1e-9 * step; ++i) {
      const double v = (first + i) * step;
      all.push_back({v, text(std::fabs(v) < 1e-9 * step ? 0 : v, "%.6g")});
    }
    return all;
  }

private:
  double shape(double v) const { return log_ ? std::log10(v) : v; }

  bool log_;
  double from_, to_, low_ = 0, high_ = 1;
};

// The smallest and largest number that can be drawn.
class Range {
public:
  explicit Range(const Axis& axis) : axis_(axis) {}
  void add(const std::vector<double>& values) {
    for (double v : values)
      if (std::isfinite(v) && (!axis_.log || v > 0)) {
        low_ = std::min(low_, v);
        high_ = std::max(high_, v);
      }
  }
  double low() const { return axis_.low.value_or(low_); }
  double high() const { return axis_.high.value_or(high_); }

private:
  const Axis& axis_;
  double low_ = std::numeric_limits<double>::infinity(), high_ = -std::numeric_limits<double>::infinity();
};

struct Frame {
  double left, top, right, bottom;
};

inline std::string opened(const Chart& chart, const Frame& f) {
  const std::string w = std::to_string(chart.width), h = std::to_string(chart.height);
  std::string s = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + w + "\" height=\"" + h + "\" viewBox=\"0 0 " + w + " " + h +
                  "\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n<rect width=\"" + w + "\" height=\"" + h +
                  "\" fill=\"white\"/>\n";
  if (!chart.title.empty()) s += label((f.left + f.right) / 2, 20, "middle", chart.title, " font-size=\"15\"");
  return s;
}
inline std::string axes(const Chart& chart, const Frame& f, const Scale& x, const Scale& y, bool grid) {
  std::string s;
  for (const auto& t : y.ticks(6)) {
    s += segment(grid ? f.left : f.left - 4, y(t.at), grid ? f.right : f.left, y(t.at), grid ? "#e4e4e4" : "#222");
    s += label(f.left - 7, y(t.at) + 4, "end", t.name);
  }
  for (const auto& t : x.ticks(8)) {
    s += segment(x(t.at), f.bottom, x(t.at), f.bottom + 4, "#222");
    s += label(x(t.at), f.bottom + 18, "middle", t.name);
  }
  s += "<rect x=\"" + place(f.left) + "\" y=\"" + place(f.top) + "\" width=\"" + place(f.right - f.left) + "\" height=\"" +
       place(f.bottom - f.top) + "\" fill=\"none\" stroke=\"#222\"/>\n";
  if (!chart.x.title.empty()) s += label((f.left + f.right) / 2, f.bottom + 38, "middle", chart.x.title);
  if (!chart.y.title.empty()) {
    const double middle = (f.top + f.bottom) / 2;
    s += label(16, middle, "middle", chart.y.title, (" transform=\"rotate(-90 16 " + place(middle) + ")\"").c_str());
  }
  return s;
}

inline const char* colour(std::size_t i) {
  constexpr const char* okabe_ito[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#B8A900"};
  return okabe_ito[i % std::size(okabe_ito)];
}
// Viridis, ten of its colours and what lies between them.
inline std::string shade(double share) {
  constexpr int anchors[][3] = {{68, 1, 84},    {72, 40, 120},  {62, 74, 137},  {49, 104, 142}, {38, 130, 142},
                                {31, 158, 137}, {53, 183, 121}, {109, 205, 89}, {180, 222, 44}, {253, 231, 37}};
  const double at = std::clamp(share, 0.0, 1.0) * 9;
  const auto i = std::min<std::size_t>(8, static_cast<std::size_t>(at));
  char s[8];
  int mixed[3];
  for (std::size_t c = 0; c < 3; ++c)
    mixed[c] = static_cast<int>(std::lround(anchors[i][c] + (at - static_cast<double>(i)) * (anchors[i + 1][c] - anchors[i][c])));
  std::snprintf(s, sizeof s, "#%02x%02x%02x", static_cast<unsigned>(mixed[0] & 255), static_cast<unsigned>(mixed[1] & 255),
                static_cast<unsigned>(mixed[2] & 255));
  return s;
}

}  // namespace detail

inline std::string lines(const Chart& chart, const std::vector<Line>& all) {
  using namespace detail;
  std::size_t longest = 0;
  for (const auto& line : all) longest = std::max(longest, line.name.size());
  const Frame f{66, 32, chart.width - (longest ? 50 + 7.0 * static_cast<double>(longest) : 20), chart.height - 48.0};
  Range across(chart.x), up(chart.y);
  for (const auto& line : all) {
    across.add(line.x);
    for (const auto* values : {&line.y, &line.low, &line.high}) up.add(*values);
  }
  const Scale x(chart.x, across.low(), across.high(), f.left, f.right, false), y(chart.y, up.low(), up.high(), f.bottom, f.top, true);
  std::string s = opened(chart, f) + axes(chart, f, x, y, true), bands, drawn, legend;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& line = all[i];
    const std::size_t n = std::min(line.x.size(), line.y.size()), banded = std::min({n, line.low.size(), line.high.size()});
    const std::string stroke = colour(i), dash = i < 8 ? "" : " stroke-dasharray=\"6 3\"";
    std::string there, back;
    for (std::size_t k = 0; k < banded; ++k)
      if (x.holds(line.x[k]) && y.holds(line.low[k]) && y.holds(line.high[k])) {
        there += place(x(line.x[k])) + "," + place(y(line.high[k])) + " ";
        back = place(x(line.x[k])) + "," + place(y(line.low[k])) + " " + back;
      }
    if (!there.empty()) bands += "<polygon points=\"" + there + back + "\" fill=\"" + stroke + "\" fill-opacity=\"0.15\"/>\n";
    std::string piece;
    const auto finish = [&] {
      if (!piece.empty())
        drawn += "<polyline points=\"" + piece + "\" fill=\"none\" stroke=\"" + stroke + "\" stroke-width=\"1.8\"" + dash + "/>\n";
      piece.clear();
    };
    for (std::size_t k = 0; k < n; ++k) {
      if (!x.holds(line.x[k]) || !y.holds(line.y[k])) {
        finish();
        continue;
      }
      piece += place(x(line.x[k])) + "," + place(y(line.y[k])) + " ";
      if (line.points || n == 1)
        drawn += "<circle cx=\"" + place(x(line.x[k])) + "\" cy=\"" + place(y(line.y[k])) + "\" r=\"3\" fill=\"" + stroke + "\"/>\n";
    }
    finish();
    if (line.name.empty()) continue;
    const double at = f.top + 10 + 18 * static_cast<double>(i);
    legend += "<line x1=\"" + place(f.right + 10) + "\" y1=\"" + place(at) + "\" x2=\"" + place(f.right + 34) + "\" y2=\"" + place(at) +
              "\" stroke=\"" + stroke + "\" stroke-width=\"2.5\"" + dash + "/>\n" + label(f.right + 40, at + 4, "start", line.name);
  }
  return s + bands + drawn + legend + "</svg>\n";
}

inline std::string heat(const Chart& chart, const Grid& grid) {
  using namespace detail;
  const Frame f{66, 32, chart.width - 110.0, chart.height - 48.0};
  const auto last = [](std::size_t n) { return static_cast<double>(n < 2 ? 1 : n - 1); };
  const double x0 = chart.x.low.value_or(0), x1 = chart.x.high.value_or(last(grid.columns)), y0 = chart.y.low.value_or(0),
               y1 = chart.y.high.value_or(last(grid.rows));
  // each value fills the cell about it, so the picture is half a cell wider all round
  const double dx = (x1 - x0) / last(grid.columns), dy = (y1 - y0) / last(grid.rows);
  const Scale x({}, x0 - dx / 2, x1 + dx / 2, f.left, f.right, false), y({}, y0 - dy / 2, y1 + dy / 2, f.bottom, f.top, false);
  Axis colours{.log = grid.log};
  Range seen(colours);
  seen.add(grid.values);
  const Scale z(colours, seen.low(), seen.high(), f.bottom, f.top, false);
  const auto value = [&](std::size_t r, std::size_t c) { return grid.values[r * grid.columns + c]; };
  const auto px = [&](double c) { return x(x0 + dx * c); };
  const auto py = [&](double r) { return y(y0 + dy * r); };

  std::string s = opened(chart, f);
  const auto cell = [&](double left, double top, double width, double height, const std::string& fill) {
    s += "<rect x=\"" + place(left) + "\" y=\"" + place(top) + "\" width=\"" + place(width) + "\" height=\"" + place(height) + "\" fill=\"" +
         fill + "\"/>\n";
  };
  const bool whole = grid.values.size() >= grid.rows * grid.columns;
  for (std::size_t r = 0; whole && r < grid.rows; ++r)
    for (std::size_t c = 0; c < grid.columns; ++c) {
      const double left = px(static_cast<double>(c) - 0.5), top = py(static_cast<double>(r) + 0.5);
      cell(left, top, px(static_cast<double>(c) + 0.5) - left + 0.3, py(static_cast<double>(r) - 0.5) - top + 0.3,
           z.holds(value(r, c)) ? shade(z.share(value(r, c))) : "#bbbbbb");
    }
  // Contours: on each square of four values, the crossings of its sides, two by two.
  for (int k = 1; whole && k <= grid.levels; ++k) {
    const double level = z.at(k / (grid.levels + 1.0));
    std::string path;
    for (std::size_t r = 0; r + 1 < grid.rows; ++r)
      for (std::size_t c = 0; c + 1 < grid.columns; ++c) {
        const double row = static_cast<double>(r), column = static_cast<double>(c);
        const std::array<std::array<double, 3>, 4> corner{{{row, column, value(r, c)},
                                                           {row, column + 1, value(r, c + 1)},
                                                           {row + 1, column + 1, value(r + 1, c + 1)},
                                                           {row + 1, column, value(r + 1, c)}}};
        if (std::any_of(corner.begin(), corner.end(), [&](const auto& v) { return !z.holds(v[2]); })) continue;
        std::vector<std::pair<double, double>> crossings;
        for (std::size_t i = 0; i < 4; ++i) {
          const auto &a = corner[i], &b = corner[(i + 1) % 4];
          if ((a[2] < level) == (b[2] < level)) continue;
          const double t = (level - a[2]) / (b[2] - a[2]);
          crossings.emplace_back(px(a[1] + t * (b[1] - a[1])), py(a[0] + t * (b[0] - a[0])));
        }
        for (std::size_t i = 0; i + 1 < crossings.size(); i += 2)
          path += "M" + place(crossings[i].first) + " " + place(crossings[i].second) + "L" + place(crossings[i + 1].first) + " " +
                  place(crossings[i + 1].second);
      }
    if (!path.empty()) s += "<path d=\"" + path + "\" fill=\"none\" stroke=\"white\" stroke-opacity=\"0.75\"/>\n";
  }
  s += axes(chart, f, x, y, false);
  constexpr int steps = 64;
  const double left = f.right + 18, height = (f.bottom - f.top) / steps;
  for (int i = 0; i < steps; ++i) cell(left, f.bottom - (i + 1) * height, 14, height + 0.3, shade((i + 0.5) / steps));
  for (const auto& t : z.ticks(6)) s += segment(left + 14, z(t.at), left + 18, z(t.at), "#222") + label(left + 21, z(t.at) + 4, "start", t.name);
  if (!grid.title.empty()) s += label(left, f.top - 8, "start", grid.title);
  return s + "</svg>\n";
}

}  // namespace plot
