#pragma once

#include "towpath/base/check.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace towpath {

// A file, read-only, where the system mapped it: opening costs nothing, pages arrive when touched and are shared between
// processes. Whoever points into it holds the shared_ptr. The file must not be cut short meanwhile (NewFile never does that:
// it renames, and the old bytes stay mapped).
class Mapping {
public:
  static std::shared_ptr<const Mapping> open(std::string path) {
    return std::shared_ptr<const Mapping>(new Mapping(std::move(path)));
  }
  ~Mapping() {
    if (data_) ::munmap(data_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  const std::byte* data() const { return static_cast<const std::byte*>(data_); }
  std::size_t size() const { return size_; }
  const std::string& path() const { return path_; }
  // Valid as long as the mapping is.
  std::string_view text() const { return {static_cast<const char*>(data_), size_}; }

private:
  explicit Mapping(std::string path) : path_(std::move(path)) {
    const int file =
        ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // without waiting for a writer, if it is a pipe
    if (file < 0) fail("cannot open " + path_, std::strerror(errno), "Check the path, and that the file may be read");
    struct ::stat status {};
    const char* why = nullptr;
    if (::fstat(file, &status) != 0) why = std::strerror(errno);
    else if (!S_ISREG(status.st_mode)) why = S_ISDIR(status.st_mode) ? "it is a folder" : "it is not a plain file";
    else if (status.st_size > 0) {
      size_ = static_cast<std::size_t>(status.st_size);
      data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
      if (data_ == MAP_FAILED) {
        why = std::strerror(errno);
        data_ = nullptr;
      }
    }
    ::close(file);
    if (why) fail("cannot map " + path_, why, "Give the path of a plain file that may be read");
  }

  std::string path_;
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace towpath
