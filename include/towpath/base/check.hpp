#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#if defined(__cpp_exceptions)
#include <exception>
#endif

namespace towpath {

// An input that cannot be used: what is wrong and where, why that matters, and what to do about it.
struct Complaint {
  std::string what, why, fix;

  std::string sentence() const {
    std::string s = what;
    if (!why.empty()) s += ": " + why;
    if (!fix.empty()) s += ". " + fix;
    return s;
  }
};

#if defined(__cpp_exceptions)
struct Error : std::exception, Complaint {
  explicit Error(Complaint c) : Complaint(std::move(c)), sentence_(sentence()) {}
  const char* what() const noexcept override { return sentence_.c_str(); }
  const Complaint& complaint() const { return *this; }

private:
  std::string sentence_;
};
#endif

// Reports an input error: throws Error, or, without exceptions, prints the sentence and aborts. A program that is built with
// -fno-exceptions and wants something else defines TOWPATH_FAIL_HANDLER as the name of a [[noreturn]] void(const Complaint&).
[[noreturn]] inline void fail(std::string what, std::string why = {}, std::string fix = {}) {
  Complaint c{std::move(what), std::move(why), std::move(fix)};
#if defined(TOWPATH_FAIL_HANDLER)
  TOWPATH_FAIL_HANDLER(c);
#elif defined(__cpp_exceptions)
  throw Error(std::move(c));
#else
  std::fprintf(stderr, "towpath: %s\n", c.sentence().c_str());
  std::abort();
#endif
}

namespace detail {
[[noreturn]] inline void broken(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "towpath: %s:%d: a caller broke the rule %s\n", file, line, condition);
  std::abort();
}
}  // namespace detail

}  // namespace towpath

// Programming errors (the shapes of views, mostly): checked in debug builds and in tests, absent from release builds.
#if !defined(NDEBUG) || defined(TOWPATH_CHECKED)
#define TOWPATH_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::towpath::detail::broken(#condition, __FILE__, __LINE__))
#else
#define TOWPATH_CHECK(condition) static_cast<void>(0)
#endif
