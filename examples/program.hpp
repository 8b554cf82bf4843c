// What every example does the same way: options by CLI11, an error as one sentence and exit code 1 (2 for usage), results as JSON.
#pragma once

#include <CLI/CLI.hpp>
#include <towpath/base/check.hpp>
#include <towpath/base/file.hpp>
#include <towpath/base/json.hpp>

#include <cstdio>
#include <new>
#include <string>
#include <sys/resource.h>

// CLI11's own macro exits with its private codes; usage errors are 2 here, --help is 0.
#undef CLI11_PARSE
#define CLI11_PARSE(app, argc, argv)       \
  try {                                    \
    (app).parse((argc), (argv));           \
  } catch (const CLI::ParseError& e) {     \
    return (app).exit(e) == 0 ? 0 : 2;     \
  }

namespace program {

template <class Run>
int guarded(const Run& run, int argc, char** argv) {
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

inline void write_json(const std::string& path, const towpath::Json& results) {
  towpath::NewFile file(path);
  file.write(results.dump(2) + "\n");
  file.commit();
}

// The most memory that this process has held, in bytes.
inline long peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024L;
}

}  // namespace program
