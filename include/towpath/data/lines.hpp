#pragma once

#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"

#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <utility>
#include <vector>

namespace towpath {

// A text file, one line at a time. Whether it is gzip is seen in its first bytes, not in its name. "\n" and "\r\n" both end a
// line, the last line may lack its end, and a byte order mark at the front is dropped.
//   Lines lines{"collection.tsv.gz"};
//   for (std::string_view line; lines.next(line);) …          // the view holds until the next call
// Errors: a file that cannot be opened or read, and a gzip file that stops early or whose checksum is wrong.
class Lines {
public:
  explicit Lines(std::string path);
  ~Lines() {
    if (file_) gzclose(file_);
  }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  bool next(std::string_view& line);

  const std::string& path() const { return path_; }
  Index number() const { return number_; }                                        // of the line last read, from 1
  std::string where() const { return path_ + ":" + std::to_string(number_); }    // "collection.tsv:17"

  // collection.tsv:17: found "abc": expected id TAB text. …
  [[noreturn]] void malformed(std::string_view line, std::string expected, std::string fix = {}) const;

private:
  bool fill();

  std::string path_, carried_;
  std::vector<char> block_;
  std::size_t at_ = 0, end_ = 0;
  gzFile file_ = nullptr;
  Index number_ = 0;
};

namespace detail {

inline bool is_file(const std::string& path) {
  struct stat found;
  return ::stat(path.c_str(), &found) == 0 && !S_ISDIR(found.st_mode);
}
inline bool is_folder(const std::string& path) {
  struct stat found;
  return ::stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode);
}
// PATH, else PATH.gz, else nothing.
inline std::string plain_or_gz(const std::string& path) {
  return is_file(path) ? path : is_file(path + ".gz") ? path + ".gz" : std::string();
}

// "a TAB b TAB c" into its fields. Split at white space instead with spaces = true (runs of it count once).
void split(std::string_view line, std::vector<std::string_view>& fields, bool spaces = false);

}  // namespace detail

#ifndef TOWPATH_ELSEWHERE

TOWPATH_ONCE Lines::Lines(std::string path) : path_(std::move(path)), block_(std::size_t{1} << 17) {
  struct stat found;
  if (::stat(path_.c_str(), &found) == 0 && S_ISDIR(found.st_mode))
    fail("cannot read " + path_, "it is a folder", "Name a file in it");
  file_ = gzopen(path_.c_str(), "rb");
  if (!file_) fail("cannot read " + path_, std::strerror(errno), "Check the path; a .gz file is read as it is");
  gzbuffer(file_, 1 << 17);
}

TOWPATH_ONCE bool Lines::next(std::string_view& line) {
  carried_.clear();
  for (;;) {
    if (at_ == end_ && !fill()) {
      if (carried_.empty()) return false;
      line = carried_;
      break;
    }
    const char* from = block_.data() + at_;
    if (const void* hit = std::memchr(from, '\n', end_ - at_)) {
      const std::size_t n = static_cast<std::size_t>(static_cast<const char*>(hit) - from);
      at_ += n + 1;
      line = {from, n};
      if (carried_.empty()) break;
      carried_.append(line);
      line = carried_;
      break;
    }
    carried_.append(from, end_ - at_);
    at_ = end_;
  }
  if (++number_ == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return true;
}

[[noreturn]] TOWPATH_ONCE void Lines::malformed(std::string_view line, std::string expected, std::string fix) const {
  std::size_t n = line.size() < 60 ? line.size() : 60;
  while (n < line.size() && (static_cast<unsigned char>(line[n]) & 0xC0) == 0x80) --n;    // no half characters
  fail(where() + ": found \"" + std::string(line.substr(0, n)) + (n < line.size() ? "…\"" : "\""), "expected " + expected,
       std::move(fix));
}

TOWPATH_ONCE bool Lines::fill() {
  errno = 0;
  const int n = gzread(file_, block_.data(), static_cast<unsigned>(block_.size()));
  at_ = 0;
  end_ = n > 0 ? static_cast<std::size_t>(n) : 0;
  if (n > 0) return true;
  int code = Z_OK;
  const char* text = gzerror(file_, &code);
  if (code == Z_OK || code == Z_STREAM_END) return false;
  if (code == Z_BUF_ERROR)    // zlib's word for a stream whose end never came
    fail(path_ + " stops in the middle (after line " + std::to_string(number_) + ")", "the gzip data has no end",
         "Copy or download it again");
  const std::string why = code == Z_ERRNO ? std::strerror(errno) : text;
  fail("cannot read " + path_ + " beyond line " + std::to_string(number_), why, "Copy or download it again");
}

TOWPATH_ONCE void detail::split(std::string_view line, std::vector<std::string_view>& fields, bool spaces) {
  fields.clear();
  std::size_t at = 0;
  if (!spaces) {
    for (std::size_t tab; (tab = line.find('\t', at)) != std::string_view::npos; at = tab + 1)
      fields.push_back(line.substr(at, tab - at));
    fields.push_back(line.substr(at));
    return;
  }
  for (;;) {
    at = line.find_first_not_of(" \t", at);
    if (at == std::string_view::npos) return;
    const std::size_t stop = line.find_first_of(" \t", at);
    fields.push_back(line.substr(at, stop == std::string_view::npos ? stop : stop - at));
    if (stop == std::string_view::npos) return;
    at = stop;
  }
}

#endif  // TOWPATH_ELSEWHERE

}  // namespace towpath
