#include "report.hpp"

#include "../plot.hpp"

#include <towpath/analysis/stability.hpp>
#include <towpath/io/npy.hpp>
#include <towpath/metric/significance.hpp>
#include <towpath/train/checkpoint.hpp>

#include <cmath>
#include <limits>
#include <map>
#include <optional>

using namespace towpath;

namespace study {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();
using Numbers = std::vector<double>;

double mean(const Numbers& v) {
  double sum = 0;
  for (double x : v) sum += x;
  return v.empty() ? none : sum / static_cast<double>(v.size());
}
double deviation(const Numbers& v) {
  if (v.size() < 2) return none;
  const double m = mean(v);
  double sum = 0;
  for (double x : v) sum += (x - m) * (x - m);
  return std::sqrt(sum / static_cast<double>(v.size() - 1));
}
std::string text_of(const char* form, double x) {
  if (!std::isfinite(x)) return "–";
  char text[48];
  std::snprintf(text, sizeof text, form, x);
  return text;
}
std::string spread(const char* form, const Numbers& v) { return text_of(form, mean(v)) + (v.size() > 1 ? " ± " + text_of(form, deviation(v)) : ""); }
std::string p_value(double p) { return !std::isfinite(p) ? "–" : p < 0.001 ? "< 0.001" : text_of("%.3f", p); }

// --- what the runs left ---------------------------------------------------------------------------------------------------------
struct Trained {
  Index seed = 1;
  Numbers losses, norms, dev, dev_steps, dev_seconds;
  double dev_start = none, best = none, seconds = none, tokens = none, memory = none;
  std::map<std::string, Numbers> test;  // per query
};
struct Row {
  Line line;
  double rate = 0, trained = 0, total = 1;
  std::vector<Trained> seeds;
  std::vector<std::string> queries;
  std::map<std::string, Numbers> test;  // per query, mean over the seeds
  std::map<std::string, Numbers> means; // per seed
  Index diverged = 0;                   // seeds whose loss stopped being a number
  std::optional<Json> analysis;
  Json found = Json::object();          // what results.json says of it

  bool pathway() const { return line.method.starts_with("iaa"); }
  bool tested() const { return !test.empty(); }
  template <class F>
  Numbers each(const F& f) const {
    Numbers all;
    for (const Trained& t : seeds)
      if (const double x = f(t); std::isfinite(x)) all.push_back(x);
    return all;
  }
};

Row read_row(const Plan& plan, const Line& line) {
  Row row;
  row.line = line;
  row.rate = plan.rate(line);
  if (row.rate == 0 && line.method != "none") return row;
  for (Index seed = 1; seed <= plan.seeds; ++seed) {
    const std::string folder = plan.task(line, row.rate, seed).folder;
    if (there(folder + "/run.json") && failed(folder)) {
      ++row.diverged;
      continue;
    }
    if (!there(folder + "/run.json") || !there(folder + "/test.json")) continue;
    const Json run = read_json(folder + "/run.json"), test = read_json(folder + "/test.json");
    Trained t;
    t.seed = seed;
    for (const auto& [key, to] : {std::pair{"losses", &t.losses}, {"norms", &t.norms}, {"dev", &t.dev}, {"dev_steps", &t.dev_steps}, {"dev_seconds", &t.dev_seconds}}) *to = get(run, key, Numbers{});
    for (const auto& [key, to] : {std::pair{"dev_start", &t.dev_start}, {"best", &t.best}, {"seconds", &t.seconds}, {"tokens", &t.tokens}, {"peak_memory_bytes", &t.memory}}) *to = get(run, key, none);
    // wall time depends on what ran beside; a run that was resumed has only that
    if (const auto own = get(run, "dev_processor_seconds", Numbers{}); !own.empty()) t.dev_seconds = own, t.seconds = own.back();
    row.trained = get(run, "trained", 0.0);
    row.total = get(run, "total", 1.0);
    const auto queries = get(test, "queries", std::vector<std::string>{});
    if (row.queries.empty()) row.queries = queries;
    if (queries != row.queries) fail(folder + "/test.json is about other queries than the runs beside it", {}, "Remove the folder and start the study again");
    const Json* values = test.find("values");
    for (std::size_t i = 0; values && i < values->size(); ++i) {
      Numbers v;
      (*values)[i].read(v);
      auto& sum = row.test[values->key(i)];
      sum.resize(v.size());
      for (std::size_t q = 0; q < v.size(); ++q) sum[q] += v[q];
      row.means[values->key(i)].push_back(mean(v));
      t.test[values->key(i)] = std::move(v);
    }
    row.seeds.push_back(std::move(t));
  }
  for (auto& [_, sum] : row.test)
    for (double& x : sum) x /= static_cast<double>(row.seeds.size());
  if (const std::string path = plan.task(line, row.rate, 1).folder + "/analysis.json"; there(path))
    if (Json seen = read_json(path); !seen.find("failed")) row.analysis = std::move(seen);
  return row;
}

// --- a document in Markdown and in HTML ---------------------------------------------------------------------------------------------
class Document {
public:
  Document(std::string folder, const std::string& title) : folder_(std::move(folder)) {
    html_ = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>" + escaped(title) +
            "</title><style>body{font:15px/1.5 sans-serif;max-width:72em;margin:2em auto;padding:0 1em}table{border-collapse:collapse;margin:1em 0}"
            "td,th{padding:.2em .7em;border-bottom:1px solid #ccc;text-align:right}td:first-child,th:first-child{text-align:left}"
            "figure{margin:1em 0}figcaption{color:#444}</style>\n";
    md_ = "# " + title + "\n";
    html_ += "<h1>" + escaped(title) + "</h1>\n";
  }
  void heading(const std::string& text) {
    md_ += "\n## " + text + "\n";
    html_ += "<h2>" + escaped(text) + "</h2>\n";
  }
  void paragraph(const std::string& text) {
    md_ += "\n" + text + "\n";
    html_ += "<p>" + escaped(text) + "</p>\n";
  }
  void table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
    const auto line = [&](const std::vector<std::string>& cells, const char* tag) {
      html_ += "<tr>";
      md_ += "|";
      for (const std::string& c : cells) {
        md_ += " " + c + " |";
        html_ += std::string("<") + tag + ">" + escaped(c) + "</" + tag + ">";
      }
      md_ += "\n";
      html_ += "</tr>\n";
    };
    md_ += "\n";
    html_ += "<table>\n";
    line(head, "th");
    md_ += "|";
    for (std::size_t i = 0; i < head.size(); ++i) md_ += i == 0 ? "---|" : "---:|";
    md_ += "\n";
    for (const auto& row : rows) line(row, "td");
    html_ += "</table>\n";
  }
  void figure(const std::string& file, const std::string& svg, const std::string& caption) {
    NewFile out(folder_ + "/plots/" + file + ".svg");
    out.write(svg);
    out.commit();
    md_ += "\n![" + caption + "](plots/" + file + ".svg)\n\n" + caption + "\n";
    html_ += "<figure>" + svg + "<figcaption>" + escaped(caption) + "</figcaption></figure>\n";
  }
  void write() const {
    for (const auto& [file, text] : {std::pair{"/report.md", &md_}, {"/report.html", &html_}}) {
      NewFile out(folder_ + file);
      out.write(*text);
      out.commit();
    }
  }

private:
  static std::string escaped(const std::string& s) {
    std::string t;
    for (char c : s) t += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
    return t;
  }
  std::string folder_, md_, html_;
};

// --- comparisons ---------------------------------------------------------------------------------------------------------------
struct Compared {
  double difference = none, t = none, randomised = none;  // p, corrected by Holm
};
// Each of `rows` against the row that against(row) gives (null: none); one family of comparisons.
template <class F>
std::vector<Compared> compare(const std::vector<Row>& rows, const std::string& measure, const F& against) {
  std::vector<Compared> all(rows.size());
  std::vector<std::size_t> which;
  Numbers t, randomised;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row* other = against(rows[i]);
    if (!other || other == &rows[i] || !rows[i].tested() || !other->tested()) continue;
    const Numbers &a = rows[i].test.at(measure), &b = other->test.at(measure);
    which.push_back(i);
    all[i].difference = mean(a) - mean(b);
    t.push_back(paired_t_test(a, b).p);
    randomised.push_back(randomisation_test(a, b).p);
  }
  const Numbers held_t = holm(t), held_r = holm(randomised);
  for (std::size_t k = 0; k < which.size(); ++k) all[which[k]].t = held_t[k], all[which[k]].randomised = held_r[k];
  return all;
}

const char* const primary = "nDCG@10";

std::vector<plot::Line> curves(const std::vector<Row>& rows, const std::string& budget, bool by_seconds) {
  std::vector<plot::Line> all;
  for (const Row& row : rows) {
    if (row.seeds.empty() || row.line.method == "none" || (row.line.budget != budget && row.line.budget != "none")) continue;
    plot::Line s;
    s.name = row.line.name();
    const std::size_t points = row.seeds[0].dev.size();
    for (std::size_t i = 0; i <= points; ++i) {
      const auto at = [&](const Numbers& v, double start) { return i == 0 ? start : i <= v.size() ? v[i - 1] : none; };
      const Numbers y = row.each([&](const Trained& t) { return at(t.dev, t.dev_start); });
      const Numbers x = row.each([&](const Trained& t) { return at(by_seconds ? t.dev_seconds : t.dev_steps, 0); });
      s.x.push_back(mean(x));
      s.y.push_back(mean(y));
      if (row.seeds.size() > 1) s.low.push_back(*std::min_element(y.begin(), y.end())), s.high.push_back(*std::max_element(y.begin(), y.end()));
    }
    all.push_back(std::move(s));
  }
  return all;
}
// A run keeps its seconds, not those of each step: by_seconds spreads the steps evenly over them.
std::vector<plot::Line> loss_curves(const std::vector<Row>& rows, const std::string& budget, bool by_seconds) {
  std::vector<plot::Line> all;
  for (const Row& row : rows) {
    if (row.seeds.empty() || row.line.method == "none" || (row.line.budget != budget && row.line.budget != "none")) continue;
    plot::Line s;
    s.name = row.line.name();
    const std::size_t steps = row.seeds[0].losses.size(), each = std::max<std::size_t>(1, steps / 20);
    for (std::size_t from = 0; from + each <= steps; from += each) {
      const Numbers y = row.each([&](const Trained& t) {
        double sum = 0;
        for (std::size_t i = from; i < from + each; ++i) sum += t.losses[i];
        return sum / static_cast<double>(each);
      });
      const double middle = static_cast<double>(from) + 0.5 * static_cast<double>(each);
      s.x.push_back(by_seconds ? middle / static_cast<double>(steps) * mean(row.each([](const Trained& t) { return t.seconds; })) : middle);
      s.y.push_back(mean(y));
      if (row.seeds.size() > 1) s.low.push_back(*std::min_element(y.begin(), y.end())), s.high.push_back(*std::max_element(y.begin(), y.end()));
    }
    all.push_back(std::move(s));
  }
  return all;
}

void write_arrays(const std::string& folder, const std::vector<Row>& rows) {
  make_folder(folder);
  for (const Row& row : rows)
    for (const Trained& t : row.seeds) {
      std::string stem = row.line.method + (row.line.budget == "none" ? "" : "-" + row.line.budget) + "-seed" + std::to_string(t.seed);
      const auto save = [&](const char* what, const Numbers& v) {
        if (!v.empty()) write_npy(folder + "/" + stem + "." + what + ".npy", v.data(), {static_cast<Index>(v.size())});
      };
      save("loss", t.losses), save("gradient_norm", t.norms), save("dev", t.dev), save("dev_steps", t.dev_steps), save("dev_seconds", t.dev_seconds);
      for (const auto& [measure, values] : t.test) save(measure.c_str(), values);
    }
}

// --- the reason ----------------------------------------------------------------------------------------------------------------------
struct Found {
  Numbers relative, cosine;  // per module but the lowest, which has none below it: means over the steps that were looked at
};
Found found(const Json& analysis, const char* level) {
  Found f;
  const Json* steps = analysis.find("discrepancy");
  std::vector<Numbers> relative, cosine;
  for (std::size_t i = 0; steps && i < steps->size(); ++i) {
    const Json* modules = (*steps)[i].find(level);
    for (std::size_t k = 1; modules && k < modules->size(); ++k) {
      if (relative.size() < k) relative.emplace_back(), cosine.emplace_back();
      const double x = get((*modules)[k], "relative", none), c = get((*modules)[k], "cosine", none);
      if (std::isfinite(x)) relative[k - 1].push_back(x), cosine[k - 1].push_back(c);
    }
  }
  for (std::size_t k = 0; k < relative.size(); ++k)
    if (!relative[k].empty()) f.relative.push_back(mean(relative[k])), f.cosine.push_back(mean(cosine[k]));
  return f;
}

void explain(Document& d, std::vector<Row>& rows) {
  d.heading("The reason");
  d.paragraph("Discrepancy of a module: g is its gradient, g' the one it has on the same batch after the modules below it took the step that they are about to take. Means over all modules but the lowest and over the steps looked at, on one fixed batch, seed 1. "
              "Layers: all that trains in a layer is one module; sites: each inserted module by itself. Largest eigenvalue: of the Hessian in the trained parameters at the end, power iteration on central differences of gradients.");
  std::vector<std::vector<std::string>> table;
  std::map<std::string, std::vector<plot::Line>> lines;
  for (Row& r : rows) {
    if (!r.analysis) continue;
    const Found layers = found(*r.analysis, "by_layer"), sites = found(*r.analysis, "by_site");
    const Json* bend = r.analysis->find("sharpness");
    table.push_back({r.line.name(), text_of("%.4f", mean(layers.relative)), text_of("%.4f", mean(layers.cosine)), text_of("%.4f", mean(sites.relative)), text_of("%.4f", mean(sites.cosine)),
                     bend ? text_of("%.4g", get(*bend, "eigenvalue", none)) + (get(*bend, "converged", false) ? "" : " (not converged)") : "–"});
    r.found["discrepancy"] = Json{{"by_layer", {{"relative", layers.relative}, {"cosine", layers.cosine}}}, {"by_site", {{"relative", sites.relative}, {"cosine", sites.cosine}}}};
    if (bend) r.found["sharpness"] = *bend;
    plot::Line line{.name = r.line.name(), .y = layers.relative, .points = true};
    for (std::size_t k = 0; k < line.y.size(); ++k) line.x.push_back(static_cast<double>(k) + 2);
    lines[r.line.budget].push_back(std::move(line));
  }
  d.table({"method", "‖g − g′‖/‖g‖, layers", "cos(g, g′), layers", "‖g − g′‖/‖g‖, sites", "cos(g, g′), sites", "largest eigenvalue"}, table);
  for (auto& [budget, all] : lines)
    d.figure("discrepancy-" + budget, plot::lines({.title = "discrepancy, " + (budget == "none" ? "no budget" : budget + " %"), .x = {"module from the bottom"}, .y = {"‖g − g′‖ / ‖g‖", true}}, all),
             "Discrepancy by layer, the lowest left out.");
  for (const Row& r : rows) {
    if (!r.analysis) continue;
    const Numbers along = get(*r.analysis, "along", Numbers{}), values = get(*r.analysis, "surface", Numbers{});
    if (along.size() < 2 || values.size() != along.size() * along.size()) continue;
    std::string file = "surface-" + r.line.method + (r.line.budget == "none" ? "" : "-" + r.line.budget);
    d.figure(file,
             plot::heat({.title = r.line.name(), .x = {.title = "b", .low = along.front(), .high = along.back()}, .y = {.title = "a", .low = along.front(), .high = along.back()}, .width = 480, .height = 420},
                        {.rows = along.size(), .columns = along.size(), .values = values, .title = "loss", .levels = 8}),
             "Loss about the weights of " + r.line.name() + " at the end of training, L(φ + a d1 + b d2), on two random directions with rows as long as the weights' rows.");
  }
}

}  // namespace

void write_report(const Plan& plan) {
  std::vector<Row> rows;
  for (const Line& l : plan.lines) rows.push_back(read_row(plan, l));
  const Setting& s = plan.setting;
  make_folder(plan.out + "/plots");
  Document d(plan.out, (s.stage == "retrieval" ? "Retrieval on " : "Re-ranking on ") + s.collection.substr(s.collection.find_last_of('/') + 1));

  const Row* full = nullptr;
  Index queries = 0, missing = 0;
  for (const Row& r : rows) {
    if (r.line.method == "full" && r.tested()) full = &r;
    queries = std::max(queries, static_cast<Index>(r.queries.size()));
    missing += plan.seeds - static_cast<Index>(r.seeds.size()) - r.diverged;
    if (r.line.method == "none") missing -= plan.seeds - 1;
  }
  d.paragraph("Backbone " + s.model.substr(s.model.find_last_of('/') + 1) + ". " + std::to_string(s.train_queries) + " training queries an epoch (0: all), " + std::to_string(s.epochs) +
              " epoch(s), batches of " + std::to_string(s.batch) + ", " + std::to_string(s.negatives) + " hard negative(s) per query, query / passage length " + std::to_string(s.query_length) + " / " +
              std::to_string(s.passage_length) + " tokens, " + std::to_string(plan.seeds) + " seeds, dev on " + std::to_string(s.dev_queries) + " queries over " + (s.stage == "reranking" ? "the best " + std::to_string(s.pool) + " of the first stage each" : s.dev_documents == 0 ? std::string("all documents") : std::to_string(s.dev_documents) + " documents (the judged ones, and a sample of the others)") +
              "; test on " + std::to_string(queries) + " queries. The learning rate of each line is the best on dev of a short grid with seed 1; all else is equal.");
  for (const Row& r : rows)
    if (r.diverged > 0) d.paragraph("Of " + r.line.name() + " " + std::to_string(r.diverged) + " of " + std::to_string(plan.seeds) + " seeds diverged: their loss stopped being a number. It is judged by the others.");
  if (missing > 0) d.paragraph("NOT COMPLETE: " + std::to_string(missing) + " runs are missing; what follows is of those that are there.");

  // --- effect
  const auto best_dev = [](const Row& r) { return mean(r.each([](const Trained& t) { return t.best; })); };
  const auto best_scattered = [&](const Row& r) -> const Row* {
    if (!r.pathway()) return nullptr;
    const Row* best = nullptr;
    for (const Row& o : rows)
      if (!o.pathway() && o.tested() && o.line.budget == r.line.budget && (!best || best_dev(o) > best_dev(*best))) best = &o;
    return best;
  };
  const std::vector<Compared> to_full = compare(rows, primary, [&](const Row& r) { return r.line.method == "none" ? nullptr : full; }),
                              to_scattered = compare(rows, primary, best_scattered);
  d.heading("Effect");
  std::vector<std::string> names;
  for (const Row& r : rows)
    for (const auto& [m, _] : r.test)
      if (std::find(names.begin(), names.end(), m) == names.end()) names.push_back(m);
  std::vector<std::string> head{"method", "learning rate", "trained"};
  for (const auto& m : names) head.push_back(m);
  for (const char* h : {"against full", "p (t)", "p (randomised)", "against the best scattered (on dev)", "p (t)", "p (randomised)"}) head.emplace_back(h);
  std::vector<std::vector<std::string>> table;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row& r = rows[i];
    if (!r.tested()) continue;
    std::vector<std::string> cells{r.line.name(), short_number(r.rate), text_of("%.2f %%", 100 * r.trained / r.total)};
    Json& j = r.found = Json{{"method", r.line.method}, {"budget", r.line.budget}, {"rate", r.rate}, {"trained", r.trained}, {"total", r.total}, {"seeds", r.seeds.size()}, {"diverged", r.diverged}};
    Json values = Json::object();
    for (const auto& m : names) {
      std::string cell = spread("%.4f", r.means.at(m));
      if (m == primary && to_full[i].t < 0.05) cell += to_full[i].difference > 0 ? " ▲" : " ▽";
      if (m == primary && to_scattered[i].t < 0.05) cell += to_scattered[i].difference > 0 ? " †" : " ‡";
      cells.push_back(cell);
      values[m] = r.means.at(m);
    }
    j["test"] = values;
    for (const Compared& c : {to_full[i], to_scattered[i]}) {
      cells.push_back(text_of("%+.4f", c.difference));
      cells.push_back(p_value(c.t));
      cells.push_back(p_value(c.randomised));
    }
    if (std::isfinite(to_full[i].t)) j["against_full"] = Json{{"difference", to_full[i].difference}, {"p_t", to_full[i].t}, {"p_randomised", to_full[i].randomised}};
    if (std::isfinite(to_scattered[i].t)) j["against_best_scattered"] = Json{{"which", best_scattered(r)->line.name()}, {"difference", to_scattered[i].difference}, {"p_t", to_scattered[i].t}, {"p_randomised", to_scattered[i].randomised}};
    table.push_back(std::move(cells));
  }
  d.table(head, table);
  d.paragraph("Mean ± standard deviation over the seeds. Tests are paired over queries, two-sided, on " + std::string(primary) +
              " averaged over the seeds, corrected by Holm over all lines of a column: ▲ ▽ better, worse than full fine-tuning (p < 0.05 by the t-test); † ‡ better, worse than the scattered method of the same budget that is best on dev. They "
              "say what would hold for other queries, not for other seeds: for those see the deviations.");

  // --- convergence
  d.heading("Convergence");
  for (const std::string& budget : {std::string("0.5"), std::string("6.7")}) {
    bool some = false;
    for (const Row& r : rows) some |= r.tested() && r.line.budget == budget;
    if (!some) continue;
    d.figure("dev-steps-" + budget, plot::lines({.title = "dev " + std::string(primary) + ", " + budget + " %", .x = {"steps"}, .y = {primary}}, curves(rows, budget, false)),
             "Dev metric against steps at " + budget + " %: mean over the seeds, with the range between the lowest and the highest.");
    d.figure("dev-seconds-" + budget, plot::lines({.title = "dev " + std::string(primary) + ", " + budget + " %", .x = {"processor seconds of training"}, .y = {primary}}, curves(rows, budget, true)),
             "The same against seconds of processor time in training (wall time of runs that were resumed).");
    d.figure("loss-" + budget, plot::lines({.title = "training loss, " + budget + " %", .x = {"steps"}, .y = {"loss"}}, loss_curves(rows, budget, false)), "Training loss against steps, means over twentieths of a run.");
    d.figure("loss-seconds-" + budget, plot::lines({.title = "training loss, " + budget + " %", .x = {"processor seconds of training"}, .y = {"loss"}}, loss_curves(rows, budget, true)),
             "The same against processor seconds, steps spread evenly over them.");
  }

  // --- stability
  d.heading("Stability");
  const double goal = full ? mean(full->each([](const Trained& t) { return t.best; })) : none;
  table.clear();
  for (Row& r : rows) {
    if (!r.tested() || r.line.method == "none") continue;
    const auto rows_of = [&](Numbers Trained::*what) {
      const std::size_t n = r.seeds.size(), length = (r.seeds[0].*what).size();
      auto all = xt::xtensor<double, 2>::from_shape({n, length});
      for (std::size_t k = 0; k < n; ++k)
        for (std::size_t i = 0; i < length; ++i) all(k, i) = (r.seeds[k].*what)[i];
      return all;
    };
    std::vector<Index> at;
    for (double step : r.seeds[0].dev_steps) at.push_back(static_cast<Index>(step));
    const Stability of = stability({rows_of(&Trained::losses), rows_of(&Trained::norms), rows_of(&Trained::dev), at}, goal);
    const auto numbers = [](const Spread& x) { return Json{{"mean", x.mean}, {"deviation", x.deviation}, {"seeds", x.count}}; };
    r.found["stability"] = Json{{"best_dev", numbers(of.best)}, {"gradient_variation", numbers(of.gradient_variation)}, {"spikes_per_thousand", numbers(of.spikes_per_thousand)},
                                {"steps_to_95_percent_of_full", numbers(of.steps_to_reference)}};
    const auto both = [](const char* form, const Spread& x) { return text_of(form, x.mean) + (x.count > 1 ? " ± " + text_of(form, x.deviation) : ""); };
    table.push_back({r.line.name(), text_of("%.4f", deviation(r.means.at(primary))), text_of("%.4f", of.best.deviation), both("%.3f", of.gradient_variation), both("%.1f", of.spikes_per_thousand),
                     of.steps_to_reference.count == static_cast<Index>(r.seeds.size()) ? both("%.0f", of.steps_to_reference)
                                                                                        : std::to_string(of.steps_to_reference.count) + " of " + std::to_string(r.seeds.size()) + " reached it"});
  }
  d.table({"method", "deviation over seeds, test", "deviation over seeds, dev", "variation of the gradient norm", "loss spikes per 1000 steps", "steps to 95 % of full's best dev"}, table);
  d.paragraph("Deviations are those of " + std::string(primary) + " between seeds. Variation: standard deviation of a run's gradient norm over its mean. A spike is a step whose loss lies six robust deviations above the median of the fifty before it. "
              "Steps are counted at evaluations, of which a run has " + std::to_string(s.evaluations) + ".");

  // --- the reason
  bool analysed = false;
  for (const Row& r : rows) analysed |= r.analysis.has_value();
  if (analysed) explain(d, rows);

  // --- cost
  d.heading("Time, memory, parameters");
  table.clear();
  for (Row& r : rows) {
    if (!r.tested() || r.line.method == "none") continue;
    r.found["seconds"] = r.each([](const Trained& t) { return t.seconds; });
    r.found["tokens_per_second"] = r.each([](const Trained& t) { return t.tokens / t.seconds; });
    r.found["peak_memory_bytes"] = r.each([](const Trained& t) { return t.memory; });
    table.push_back({r.line.name(), text_of("%.0f", r.trained), text_of("%.2f %%", 100 * r.trained / r.total), spread("%.1f", r.each([](const Trained& t) { return t.seconds; })),
                     spread("%.0f", r.each([](const Trained& t) { return t.tokens / t.seconds; })), spread("%.0f", r.each([](const Trained& t) { return t.memory / 1e6; }))});
  }
  d.table({"method", "trained", "share", "processor seconds of training", "tokens per processor second", "peak memory of the run, MB"}, table);

  write_arrays(plan.out + "/arrays", rows);
  Json lines = Json::array();
  for (const Row& r : rows)
    if (r.tested()) lines.push_back(r.found);
  program::write_json(plan.out + "/results.json", Json{{"setting", to_json(s)}, {"test_queries", queries}, {"missing_runs", missing}, {"lines", lines}});
  d.write();
}

}  // namespace study
