#include "towpath/io/mapping.hpp"

#include "towpath/base/file.hpp"

#include <cstdio>
#include <doctest/doctest.h>
#include <string>
#include <sys/stat.h>

using namespace towpath;

namespace {
std::string complaint(const std::string& path) {
  try {
    Mapping::open(path);
  } catch (const Error& e) { return e.what(); }
  return "";
}
}  // namespace

TEST_CASE("a mapping holds the file's bytes as long as somebody holds the mapping") {
  const std::string path = "mapping.test";
  NewFile f(path);
  f.write("towpath");
  f.commit();
  auto first = Mapping::open(path);
  const auto second = first;
  first.reset();
  std::remove(path.c_str());
  CHECK(second->text() == "towpath");
  CHECK(second->size() == 7);
  CHECK(second->path() == path);
  CHECK(second.use_count() == 1);
}

TEST_CASE("a file replaced by NewFile leaves its old bytes with those who mapped them") {
  const std::string path = "mapping.replaced.test";
  const auto write = [&](const char* text) {
    NewFile f(path);
    f.write(text);
    f.commit();
  };
  write("old");
  const auto old = Mapping::open(path);
  write("newer");
  CHECK(old->text() == "old");
  CHECK(Mapping::open(path)->text() == "newer");
  std::remove(path.c_str());
}

TEST_CASE("an empty file is mapped as nothing") {
  const std::string path = "mapping.empty.test";
  NewFile(path).commit();
  CHECK(Mapping::open(path)->size() == 0);
  CHECK(Mapping::open(path)->text().empty());
  std::remove(path.c_str());
}

TEST_CASE("what cannot be mapped is refused in a sentence") {
  CHECK(complaint("no/such/file") ==
        "cannot open no/such/file: No such file or directory. Check the path, and that the file may be read");
  CHECK(complaint(".") == "cannot map .: it is a folder. Give the path of a plain file that may be read");
  ::mkfifo("mapping.pipe.test", 0600);
  CHECK(complaint("mapping.pipe.test") ==
        "cannot map mapping.pipe.test: it is not a plain file. Give the path of a plain file that may be read");
  std::remove("mapping.pipe.test");
}
