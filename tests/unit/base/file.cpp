#include "towpath/base/file.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

using namespace towpath;
namespace fs = std::filesystem;

namespace {
// An empty folder for one test, gone afterwards.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("towpath_file_" + std::to_string(::getpid()));
  Folder() {
    fs::remove_all(path);
    fs::create_directory(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const char* name) const { return (path / name).string(); }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
};
std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void put(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }
}  // namespace

TEST_CASE("a new file appears whole, and only when it is committed") {
  const Folder folder;
  const std::string path = folder / "new";
  NewFile file(path);
  file.write("first ");
  CHECK_FALSE(fs::exists(path));
  CHECK(fs::exists(path + ".partial"));
  file.write(std::string_view("sec\0nd", 6));
  file.write(nullptr, 0);
  file.commit();
  CHECK(content(path) == std::string("first sec\0nd", 12));
  CHECK(folder.entries() == 1);
}

TEST_CASE("an empty file can be committed") {
  const Folder folder;
  NewFile(folder / "empty").commit();
  CHECK(fs::file_size(folder / "empty") == 0);
  CHECK(folder.entries() == 1);
}

TEST_CASE("without commit nothing is left behind, and an old file stays as it was") {
  const Folder folder;
  const std::string path = folder / "kept";
  put(path, "old");
  {
    NewFile file(path);
    file.write(std::string(100000, 'x'));
  }
  CHECK(content(path) == "old");
  CHECK(folder.entries() == 1);
  CHECK_THROWS_AS(
      [&] {
        NewFile file(path);
        file.write("half");
        throw std::runtime_error("in the middle");
      }(),
      std::runtime_error);
  CHECK(content(path) == "old");
  CHECK(folder.entries() == 1);
}

TEST_CASE("commit replaces an old file, and destruction afterwards does not touch it") {
  const Folder folder;
  const std::string path = folder / "replaced";
  put(path, "something longer than the new content");
  {
    NewFile file(path);
    file.write("new");
    file.commit();
  }
  CHECK(content(path) == "new");
  CHECK(folder.entries() == 1);
}

TEST_CASE("a folder that is not there, or is a file, is an error that names the path") {
  const Folder folder;
  put(folder / "plain", "");
  for (const std::string& path : {folder / "missing/new", folder / "plain/new"}) {
    try {
      NewFile file(path);
      FAIL("no error");
    } catch (const Error& e) {
      CHECK(e.complaint().what.find(path) != std::string::npos);
      CHECK_FALSE(e.complaint().why.empty());
      CHECK(e.complaint().fix.find("folder") != std::string::npos);
    }
  }
  CHECK(folder.entries() == 1);
}

TEST_CASE("a path that cannot be renamed to is an error, and nothing is left behind") {
  const Folder folder;
  fs::create_directories(folder / "taken/by_a_folder");
  NewFile file(folder / "taken");
  file.write("text");
  CHECK_THROWS_AS(file.commit(), Error);
  CHECK(fs::is_directory(folder / "taken/by_a_folder"));
  CHECK(folder.entries() == 1);
}

// The file that is written aside is a link to /dev/full, where every write finds the disk full.
TEST_CASE("a full disk is an error in words, removes what was begun and leaves the old file" * doctest::skip(!fs::exists("/dev/full"))) {
  for (const std::size_t size : {std::size_t{5}, std::size_t{1} << 20}) {  // noticed by commit, and by write
    CAPTURE(size);
    const Folder folder;
    const std::string path = folder / "model";
    put(path, "old");
    fs::create_symlink("/dev/full", path + ".partial");
    NewFile file(path);
    std::string said;
    try {
      file.write(std::string(size, 'x'));
      file.commit();
    } catch (const Error& e) {
      said = e.what();
    }
    CHECK(said.find("could not finish writing " + path) == 0);
    CHECK(said.find(std::strerror(ENOSPC)) != std::string::npos);
    CHECK(content(path) == "old");
    CHECK(folder.entries() == 1);
  }
  CHECK(fs::exists("/dev/full"));
}
