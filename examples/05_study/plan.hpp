// Which runs a study consists of, and what of them is there already.
#pragma once

#include "task.hpp"

#include <towpath/base/check.hpp>
#include <towpath/base/file.hpp>
#include <towpath/base/json.hpp>
#include <towpath/io/mapping.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace study {

using towpath::fail;
using towpath::parse_json;

struct Line {
  std::string method, budget;
  std::vector<double> rates;
  std::string name() const { return budget == "none" ? method : method + " " + budget; }
};

inline bool there(const std::string& path) {
  std::FILE* f = std::fopen(path.c_str(), "rb");
  if (f) std::fclose(f);
  return f != nullptr;
}
inline Json read_json(const std::string& path) { return parse_json(towpath::Mapping::open(path)->text(), path, "Remove the file and start the study again"); }
template <class T>
T get(const Json& j, const char* key, T otherwise) {
  if (const Json* v = j.find(key)) v->read(otherwise);
  return otherwise;
}

inline std::string short_number(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", x);
  return text;
}
inline std::vector<double> numbers_of(const std::vector<std::string>& words) {
  std::vector<double> numbers;
  for (const std::string& w : words) {
    double x = 0;
    const auto [end, error] = std::from_chars(w.data(), w.data() + w.size(), x);
    if (error != std::errc() || end != w.data() + w.size() || !(x > 0)) fail("\"" + w + "\" is no learning rate", "a number above zero is", "Write for instance --rates 3e-4,1e-3");
    numbers.push_back(x);
  }
  return numbers;
}
// Families of modules differ by orders of magnitude, so each has a grid of its own; for runs of a hundred steps or a few hundred.
inline std::vector<double> usual_rates(const std::string& method) {
  if (method == "none") return {0};
  if (method == "full") return {2e-5, 6e-5, 2e-4};
  if (method == "bitfit") return {1e-3, 3e-3, 1e-2};
  if (method == "prefix") return {5e-3, 2e-2, 8e-2};
  return {3e-4, 1e-3, 3e-3};
}

inline std::string name(const Task& t) {
  return t.method + (t.budget == "none" ? "" : "-" + t.budget) + "-lr" + short_number(t.rate) + "-seed" + std::to_string(t.seed);
}
// Whether the loss of a run stopped being a number.
inline bool failed(const std::string& folder) { return read_json(folder + "/run.json").find("failed") != nullptr; }
inline bool finished(const Task& t) {
  if (t.analyse) return there(t.folder + "/analysis.json");
  if (!there(t.folder + "/run.json")) return false;
  return !t.test || there(t.folder + "/test.json") || failed(t.folder);
}
inline double best_dev(const std::string& folder) { return get(read_json(folder + "/run.json"), "best", -1.0); }
inline std::string summary(const Task& t) {
  const Json j = read_json(t.folder + (t.analyse ? "/analysis.json" : "/run.json"));
  if (t.analyse && !j.find("failed")) return "analysed";
  if (j.find("failed")) return "the loss was no longer a number";
  char text[64];
  std::snprintf(text, sizeof text, "dev %.4f -> %.4f", get(j, "dev_start", 0.0), get(j, "best", get(j, "dev_start", 0.0)));
  return text;
}

struct Plan {
  Setting setting;
  std::string out;
  Index seeds = 3;
  bool analyse = false;
  std::vector<Line> lines;

  Task task(const Line& l, double rate, Index seed) const {
    Task t{.setting = setting, .method = l.method, .budget = l.budget, .rate = rate, .seed = static_cast<std::uint64_t>(seed), .folder = {}};
    t.folder = out + "/runs/" + name(t);
    return t;
  }
  // One run for each learning rate that is to be tried, all with the first seed.
  std::vector<Task> grid() const {
    std::vector<Task> all;
    for (const Line& l : lines)
      if (l.rates.size() > 1)
        for (double rate : l.rates) all.push_back(task(l, rate, 1));
    return all;
  }
  // Where the best of a grid is at its edge the grid says little: it goes on by the same factor. Whether some line's did.
  bool extend() {
    bool some = false;
    for (Line& l : lines) {
      std::sort(l.rates.begin(), l.rates.end());
      const std::size_t n = l.rates.size();
      if (n < 2) continue;
      const double best = rate(l);
      double next = 0;
      if (best == l.rates.back()) next = best * best / l.rates[n - 2];
      else if (best == l.rates.front()) next = best * best / l.rates[1];
      if (next == 0) continue;
      l.rates.push_back(std::stod(short_number(next)));
      some = true;
    }
    return some;
  }
  // For a report alone: as far as the grids went.
  void take_up() {
    for (int more = 0; more < 2; ++more) {
      const std::vector<Line> before = lines;
      if (!extend()) return;
      for (std::size_t i = 0; i < lines.size(); ++i)
        for (double r : lines[i].rates)
          if (!there(task(lines[i], r, 1).folder + "/run.json")) {
            lines[i] = before[i];
            break;
          }
    }
  }
  // The rate with the best dev metric (the first of equal ones); 0 where some of the grid is missing.
  double rate(const Line& l) const {
    if (l.rates.size() == 1) return l.rates[0];
    double best = -2, chosen = 0;
    for (double r : l.rates) {
      const std::string folder = task(l, r, 1).folder;
      if (!there(folder + "/run.json")) return 0;
      if (const double dev = best_dev(folder); dev > best) best = dev, chosen = r;
    }
    if (best < 0) fail("no learning rate of the grid works for " + l.name(), "every loss stopped being a number", "Give lower ones with --rates");
    return chosen;
  }
  // Seed after seed, so that what is there early compares all methods. What trains nothing needs one.
  std::vector<Task> chosen() const {
    std::vector<Task> all;
    for (Index seed = 1; seed <= seeds; ++seed)
      for (const Line& l : lines) {
        if (l.method == "none" && seed > 1) continue;
        Task t = task(l, rate(l), seed);
        t.test = true;
        all.push_back(t);
      }
    if (analyse)
      for (const Line& l : lines)
        if (l.method != "none") {
          Task t = task(l, rate(l), 1);
          t.analyse = true;
          all.push_back(t);
        }
    return all;
  }
};

inline Json to_json(const Setting& s) {
  return {{"stage", s.stage}, {"model", s.model}, {"collection", s.collection}, {"train_queries", s.train_queries}, {"dev_queries", s.dev_queries}, {"test_queries", s.test_queries},
          {"epochs", s.epochs}, {"evaluations", s.evaluations}, {"batch", s.batch}, {"negatives", s.negatives}, {"query_length", s.query_length}, {"passage_length", s.passage_length},
          {"dev_documents", s.dev_documents}, {"pool", s.pool}, {"depth", s.depth}, {"temperature", s.temperature}, {"warmup", s.warmup}, {"clip", s.clip}, {"decay", s.decay}, {"weights", s.weights}, {"first_stage", s.first_stage}};
}
// A folder holds one study: what its runs have in common is written there once, and must be the same when it goes on.
inline void agree(const std::string& out, const Setting& s) {
  const std::string path = out + "/study.json";
  const Json now = to_json(s);
  if (!there(path)) return program::write_json(path, now);
  const Json before = read_json(path), usual = to_json(Setting{});
  for (std::size_t i = 0; i < now.size(); ++i) {
    const Json* v = before.find(now.key(i));
    const Json& was = v ? *v : usual[i];  // an option that came later had its default
    if (was.dump() != now[i].dump())
      fail(out + " holds another study", "its " + now.key(i) + " is " + was.dump() + ", this one's is " + now[i].dump(), "Repeat its options, or give another --out");
  }
}

}  // namespace study
