#include "program.hpp"

#include <CLI/CLI.hpp>
#include <towpath/base/check.hpp>
#include <towpath/base/file.hpp>

#include <cstdio>
#include <cstdlib>
#include <new>
#include <sys/resource.h>

namespace program {

Option& Option::required() { return option_.required(), *this; }
Option& Option::positive() { return option_.check(CLI::PositiveNumber), *this; }
Option& Option::not_negative() { return option_.check(CLI::NonNegativeNumber), *this; }
Option& Option::between(int low, int high) { return option_.check(CLI::Range(low, high)), *this; }
Option& Option::between(double low, double high) { return option_.check(CLI::Range(low, high)), *this; }
Option& Option::one_of(const std::vector<std::string>& words) { return option_.check(CLI::IsMember(words)), *this; }
Option& Option::without_default() { return option_.default_str(""), *this; }

Options::Options(const std::string& about) : app_(std::make_unique<CLI::App>(about)) {}
Options::~Options() = default;

template <class T>
static Option added(CLI::App& app, const char* name, T& to, const char* help) {
  return Option(*app.add_option(name, to, help)->capture_default_str());
}
Option Options::add(const char* name, std::string& to, const char* help) { return added(*app_, name, to, help); }
Option Options::add(const char* name, towpath::Index& to, const char* help) { return added(*app_, name, to, help); }
Option Options::add(const char* name, std::uint64_t& to, const char* help) { return added(*app_, name, to, help); }
Option Options::add(const char* name, float& to, const char* help) { return added(*app_, name, to, help); }
Option Options::add(const char* name, double& to, const char* help) { return added(*app_, name, to, help); }
Option Options::add(const char* name, std::vector<std::string>& to, const char* help) {
  return Option(*app_->add_option(name, to, help)->allow_extra_args(false));
}
void Options::add(const char* name, bool& to, const char* help) { app_->add_flag(name, to, help); }

void Options::parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::ParseError& e) { std::exit(app_->exit(e) == 0 ? 0 : 2); }  // CLI11 has a private code for each mistake
}
bool Options::given(const char* name) const { return app_->count(name) > 0; }

int guarded(int (&run)(int, char**), int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const towpath::Error& e) {
    std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "%s: out of memory. Use a smaller batch, shorter texts or a smaller model\n", argv[0]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
  }
  return 1;
}

void write_json(const std::string& path, const towpath::Json& results) {
  towpath::NewFile file(path);
  file.write(results.dump(2) + "\n");
  file.commit();
}

void without_gpu(const std::string& device) {
  if (device != "cpu")
    towpath::fail("--device " + device, "this program was compiled without the GPU's part", "Configure with -DTOWPATH_CUDA=ON on a machine that has nvcc, and build again");
}

long peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024L;
}

}  // namespace program
