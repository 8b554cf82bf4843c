#pragma once

#include "towpath/base/config.hpp"

#include <chrono>
#include <cstdio>
#include <string>
#include <unistd.h>

namespace towpath {

// A clock that starts when it is made.
class Stopwatch {
public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// "1:05:09", "4:07".
inline std::string clock_time(double seconds) {
  const long s = seconds > 0 ? static_cast<long>(seconds + 0.5) : 0;
  char text[40];
  if (s >= 3600) std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else std::snprintf(text, sizeof text, "%ld:%02ld", s / 60, s % 60);
  return text;
}

// A progress bar on long work: on a terminal one line that is written over, four times a second; elsewhere (a log) a line every ten
// seconds. Silent if out is null.
class Progress {
public:
  // `already`: what was done before this bar began (a resumed run); it counts in the bar but not in the estimate of what remains.
  Progress(std::string what, Index total, std::FILE* out = stderr, Index already = 0)
      : what_(std::move(what)), total_(total > 0 ? total : 1), first_(already), out_(out), terminal_(out && ::isatty(::fileno(out))) {}
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of the total, and something to show beside it.
  void at(Index done, const std::string& note = {}) {
    if (!out_) return;
    const double now = watch_.seconds();
    if (done < total_ && now - shown_ < (terminal_ ? 0.25 : 10.0)) return;
    shown_ = now;
    const double share = static_cast<double>(done) / static_cast<double>(total_);
    const double left = done > first_ ? now / static_cast<double>(done - first_) * static_cast<double>(total_ - done) : 0;
    char line[256];
    if (terminal_) {
      char bar[31];
      for (int i = 0; i < 30; ++i) bar[i] = i < static_cast<int>(share * 30) ? '=' : i == static_cast<int>(share * 30) ? '>' : ' ';
      bar[30] = 0;
      std::snprintf(line, sizeof line, "\r\033[K%s [%s] %3.0f %%  %s  %s left", what_.c_str(), bar, 100 * share, note.c_str(), clock_time(left).c_str());
      std::fputs(line, out_);
      open_ = true;
    } else {
      std::snprintf(line, sizeof line, "%s %3.0f %%  %s  %s left\n", what_.c_str(), 100 * share, note.c_str(), clock_time(left).c_str());
      std::fputs(line, out_);
    }
    std::fflush(out_);
  }
  void finish() {
    if (open_) std::fputs("\r\033[K", out_), std::fflush(out_);
    open_ = false;
  }

private:
  std::string what_;
  Index total_, first_;
  std::FILE* out_;
  bool terminal_, open_ = false;
  double shown_ = 0;
  Stopwatch watch_;
};

}  // namespace towpath
