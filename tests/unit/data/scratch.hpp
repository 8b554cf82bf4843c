#pragma once

#include "towpath/base/check.hpp"

#include <cstdlib>
#include <dirent.h>
#include <doctest/doctest.h>
#include <initializer_list>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <zlib.h>

// A folder that goes away with the test; names ending in .gz are written as gzip.
class Scratch {
public:
  Scratch() {
    const char* base = std::getenv("TMPDIR");
    at_ = std::string(base ? base : ".") + "/towpath_data_XXXXXX";
    REQUIRE(::mkdtemp(at_.data()) != nullptr);
  }
  ~Scratch() { remove(at_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string path(std::string_view name = {}) const { return name.empty() ? at_ : at_ + "/" + std::string(name); }
  std::string write(std::string_view name, std::string_view text) const {
    for (std::size_t slash = name.find('/'); slash != std::string_view::npos; slash = name.find('/', slash + 1))
      ::mkdir(path(name.substr(0, slash)).c_str(), 0700);
    const std::string p = path(name);
    gzFile f = gzopen(p.c_str(), name.ends_with(".gz") ? "wb" : "wbT");    // T: as it is
    REQUIRE(f != nullptr);
    if (!text.empty()) REQUIRE(gzwrite(f, text.data(), static_cast<unsigned>(text.size())) == static_cast<int>(text.size()));
    REQUIRE(gzclose(f) == Z_OK);
    return p;
  }
  static std::string read(const std::string& path) {
    std::string all;
    gzFile f = gzopen(path.c_str(), "rb");
    if (!f) return "(no file)";
    char block[4096];
    for (int n; (n = gzread(f, block, sizeof block)) > 0;) all.append(block, static_cast<std::size_t>(n));
    gzclose(f);
    return all;
  }

private:
  static void remove(const std::string& folder) {
    if (DIR* d = ::opendir(folder.c_str())) {
      while (const dirent* e = ::readdir(d)) {
        const std::string name = e->d_name, p = folder + "/" + name;
        if (name == "." || name == "..") continue;
        struct stat s;
        if (::lstat(p.c_str(), &s) == 0 && S_ISDIR(s.st_mode)) remove(p);
        else ::unlink(p.c_str());
      }
      ::closedir(d);
    }
    ::rmdir(folder.c_str());
  }
  std::string at_;
};

// The real collections, or nothing: then say so and return.
inline std::string real_data() {
  const char* data = std::getenv("TOWPATH_DATA");
  if (!data) MESSAGE("skipped: TOWPATH_DATA is not set, so there are no real collections");
  return data ? data : "";
}

// The sentence of the error that f() makes, or "no error".
template <class F>
std::string complaint(const F& f) {
  try {
    f();
  } catch (const towpath::Error& e) {
    return e.what();
  }
  return "no error";
}
inline bool says(const std::string& sentence, std::initializer_list<std::string_view> parts) {
  for (std::string_view part : parts)
    if (sentence.find(part) == std::string::npos) return false;
  return true;
}
