// towpath's side of compare.py: takes commands on standard input, one a line, and answers each with one line of JSON.
//   types                                                   the types that were compiled in
//   machine THREADS                                         measured peaks, FLOP/s
//   open SHAPE TYPE METHOD LENGTHS THREADS RATE FOLDER      minilm | bert-base (on a GPU bert-large, too), f32 | bf16; texts: FOLDER/../LENGTHS.safetensors
//   run N                                                   N steps: seconds, losses
//   embed FILE                                              embeddings as .npy
//   memory                                                  MB: resident at most since the start, since the last `forget`, and now; in use on the GPU
//   forget                                                  begins a new peak (Linux: clear_refs)
//   close
#include "case.hpp"
#include "peaks.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

using namespace towpath;
using namespace compare;

namespace {

Ragged ragged(const Safetensors& file, const std::string& side) {
  const auto numbers = [&](const std::string& name) {
    const Entry* e = file.find(name);
    if (!e) fail("cannot read " + file.path(), "it has no " + name, "Run compare.py --prepare again");
    std::vector<double> v(static_cast<std::size_t>(e->size()));
    convert(e->dtype, e->data, e->size(), v.data());
    return v;
  };
  const auto ids = numbers(side + ".ids"), offsets = numbers(side + ".offsets");
  Ragged r;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    std::vector<std::int32_t> one;
    for (auto t = static_cast<std::size_t>(offsets[s]); t < static_cast<std::size_t>(offsets[s + 1]); ++t)
      one.push_back(static_cast<std::int32_t>(ids[t]));
    r.add(one);
  }
  return r;
}

// An answer, {"name": value, …}: numbers, and texts without anything that JSON would have to escape but quotes and backslashes.
class Answer {
public:
  Answer& add(const char* name, double v) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.9g", v);
    return raw(name, digits);
  }
  Answer& add(const char* name, const std::string& text) {
    std::string quoted = "\"";
    for (char c : text) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c == '\n' ? ' ' : c;
    }
    return raw(name, quoted + "\"");
  }
  Answer& add(const char* name, const std::vector<double>& all) {
    std::string list;
    char digits[32];
    for (double v : all) {
      std::snprintf(digits, sizeof digits, "%s%.9g", list.empty() ? "" : ", ", v);
      list += digits;
    }
    return raw(name, "[" + list + "]");
  }
  std::string text() const { return "{" + fields_ + "}"; }

private:
  Answer& raw(const char* name, const std::string& value) {
    fields_ += (fields_.empty() ? "\"" : ", \"") + std::string(name) + "\": " + value;
    return *this;
  }
  std::string fields_;
};

double megabytes(const char* field) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(field)) return std::atof(line.c_str() + std::string(field).size() + 1) / 1024;
  return 0;
}

class Session {
public:
  Answer answer(const std::string& line) {
    std::istringstream in(line);
    std::string what;
    in >> what;
    if (what == "machine") {
      int threads = 1;
      in >> threads;
      const Peaks p = peaks(threads);
      return Answer()
          .add("f32_512", p.f32_512)
          .add("f32_256", p.f32_256)
          .add("bf16_dot", p.bf16_dot)
          .add("bf16_amx", p.bf16_amx);
    }
    if (what == "types") {
#ifdef TOWPATH_HAS_BF16
      return Answer().add("types", "f32 bf16");
#else
      return Answer().add("types", "f32");
#endif
    }
    if (what == "open") return open(in);
    if (what == "close") {
      case_.reset();
      return Answer().add("closed", 1.0);
    }
    if (what == "memory") {
      const double since = megabytes("VmHWM:");
      return Answer().add("peak", std::max(peak_, since)).add("since", since).add("now", megabytes("VmRSS:")).add("device", device_megabytes());
    }
    if (what == "forget") {
      peak_ = std::max(peak_, megabytes("VmHWM:"));
      std::ofstream("/proc/self/clear_refs") << 5;
      return Answer().add("forgot", peak_);
    }
    if (!case_) fail("cannot " + what, "no case is open", "Send open first");
    if (what == "run") {
      int n = 1;
      in >> n;
      std::vector<double> losses;
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < n; ++i) losses.push_back(case_->run());
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      return Answer().add("seconds", took.count()).add("losses", losses);
    }
    if (what == "embed") {
      std::string path;
      in >> path;
      const auto e = case_->embeddings();
      write_npy(path, e.data(), {sequences_, static_cast<Index>(e.size()) / sequences_});
      return Answer().add("wrote", path);
    }
    fail("there is no command " + what, "compare.cpp lists them");
  }

private:
  Answer open(std::istream& in) {
    std::string shape, type, lengths;
    Order o;
    in >> shape >> type >> o.method >> lengths >> o.threads >> o.rate >> o.folder;
    if (const auto at = type.find("-scarce"); at != std::string::npos) o.scarce = true, type.resize(at);
    const Safetensors texts(o.folder + "/../" + lengths + ".safetensors");
    o.batch.queries = ragged(texts, "queries");
    o.batch.passages = ragged(texts, "passages");
    for (Index i = 0; i < o.batch.queries.count(); ++i) o.batch.positive.push_back(i);
    sequences_ = o.batch.queries.count() + o.batch.passages.count();
    case_.reset();
    case_ = make_case(shape, type, o);
    return Answer().add("opened", shape + " " + type + " " + o.method);
  }

  std::unique_ptr<Case> case_;
  Index sequences_ = 0;
  double peak_ = 0;
};

}  // namespace

int main() {
  Session session;
  for (std::string line; std::getline(std::cin, line);) {
    Answer a;
    try {
      a = session.answer(line);
    } catch (const std::exception& e) { a = Answer().add("error", e.what()); }
    std::cout << a.text() << std::endl;
  }
}
