#pragma once

#include "towpath/base/check.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <unistd.h>

namespace towpath {

// Writes a file aside (PATH.partial) and renames it when commit() is called: a reader sees the old file or the whole new one,
// and whatever fails on the way (a full disk, say) removes what was begun. Every error is a sentence.
class NewFile {
public:
  explicit NewFile(std::string path) : path_(std::move(path)), aside_(path_ + ".partial") {
    file_ = std::fopen(aside_.c_str(), "wb");
    if (!file_) fail("cannot write " + path_, std::strerror(errno), "Check that the folder exists and may be written to");
  }
  ~NewFile() { discard(); }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(const void* data, std::size_t size) {
    if (size && std::fwrite(data, 1, size, file_) != size) broken();
  }
  void write(std::string_view text) { write(text.data(), text.size()); }

  void commit() {
    if (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0) broken();
    std::FILE* f = file_;
    file_ = nullptr;
    if (std::fclose(f) != 0) broken();
    if (std::rename(aside_.c_str(), path_.c_str()) != 0) broken();
  }

private:
  [[noreturn]] void broken() {
    const std::string why = std::strerror(errno);
    discard();
    std::remove(aside_.c_str());
    fail("could not finish writing " + path_, why, "Nothing was left behind; free some space or choose another folder, then run again");
  }
  void discard() {
    if (!file_) return;
    std::fclose(file_);
    file_ = nullptr;
    std::remove(aside_.c_str());
  }

  std::string path_, aside_;
  std::FILE* file_ = nullptr;
};

}  // namespace towpath
