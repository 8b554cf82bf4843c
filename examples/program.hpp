// What every example does the same way: options, an error as one sentence and exit code 1 (2 for usage), results as JSON.
#pragma once

#include <towpath/base/config.hpp>
#include <towpath/base/json.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace program {

// One option of the command line; each rule that it breaks is a usage error with a sentence of its own.
class Option {
public:
  explicit Option(CLI::Option& option) : option_(option) {}

  Option& required();
  Option& positive();
  Option& not_negative();
  Option& between(int low, int high);
  Option& between(double low, double high);
  Option& one_of(const std::vector<std::string>& words);
  Option& without_default();  // --help does not show the value it has now

private:
  CLI::Option& option_;
};

// The options of a program, by CLI11. That takes five seconds to compile, so only program.cpp includes it.
class Options {
public:
  explicit Options(const std::string& about);
  ~Options();

  Option add(const char* name, std::string& to, const char* help);
  Option add(const char* name, towpath::Index& to, const char* help);
  Option add(const char* name, std::uint64_t& to, const char* help);
  Option add(const char* name, float& to, const char* help);
  Option add(const char* name, double& to, const char* help);
  Option add(const char* name, std::vector<std::string>& to, const char* help);  // one each time it is named
  void add(const char* name, bool& to, const char* help);  // true if it is named

  // Prints --help or what is wrong and leaves the program (0 or 2).
  void parse(int argc, char** argv);
  bool given(const char* name) const;

private:
  std::unique_ptr<CLI::App> app_;
};

// main: runs, and says an error as one sentence.
int guarded(int (&run)(int, char**), int argc, char** argv);

void write_json(const std::string& path, const towpath::Json& results);

// What --device takes. TOWPATH_ON(device, call(…)) is on_gpu::call(…) or on_cpu::call(…).
inline const std::vector<std::string> devices{"cpu", "cuda"};
void without_gpu(const std::string& device);  // an error unless it is cpu
#ifdef TOWPATH_EXAMPLE_GPU
#define TOWPATH_ON(device, ...) ((device) == "cuda" ? on_gpu::__VA_ARGS__ : on_cpu::__VA_ARGS__)
#else
#define TOWPATH_ON(device, ...) (program::without_gpu(device), on_cpu::__VA_ARGS__)
#endif

// The most memory that this process has held, in bytes.
long peak_memory();

}  // namespace program
