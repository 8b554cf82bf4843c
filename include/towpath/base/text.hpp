#pragma once

#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace towpath {

// A string literal as a template argument: Under<"output.dense", Linear<…>>.
template <std::size_t N>
struct fixed_string {
  char text[N]{};

  constexpr fixed_string() = default;
  consteval fixed_string(const char (&literal)[N]) {
    for (std::size_t i = 0; i < N; ++i) text[i] = literal[i];
  }
  constexpr std::string_view view() const { return {text, N - 1}; }
  friend constexpr bool operator==(const fixed_string&, const fixed_string&) = default;
};
template <std::size_t N>
fixed_string(const char (&)[N]) -> fixed_string<N>;

template <std::size_t A, std::size_t B>
constexpr fixed_string<A + B - 1> operator+(const fixed_string<A>& a, const fixed_string<B>& b) {
  fixed_string<A + B - 1> c;
  for (std::size_t i = 0; i + 1 < A; ++i) c.text[i] = a.text[i];
  for (std::size_t i = 0; i < B; ++i) c.text[A - 1 + i] = b.text[i];
  return c;
}

// The dotted name of a parameter, built on the way down: Path{} / "encoder.layer" / 3 / "output.dense" / "weight". A value of
// fixed capacity, so that names exist during constant evaluation too; an empty step adds nothing.
class Path {
public:
  static constexpr std::size_t capacity = 192;

  constexpr Path() = default;
  constexpr explicit Path(std::string_view name) { append(name); }

  constexpr std::string_view view() const { return {text_, size_}; }
  constexpr operator std::string_view() const { return view(); }
  std::string string() const { return std::string(view()); }
  constexpr bool empty() const { return size_ == 0; }

  // Not inline in what is compiled: a walk has dozens of steps, none of them in a hurry.
  [[gnu::noinline]] friend constexpr Path operator/(const Path& at, std::string_view name) {
    Path p = at;
    if (!name.empty()) {
      if (!p.empty()) p.append(".");
      p.append(name);
    }
    return p;
  }
  friend constexpr Path operator/(const Path& at, const char* name) { return at / std::string_view(name); }
  template <std::integral Number>  // a template, or a literal 0 could be a null pointer as well
  friend constexpr Path operator/(const Path& at, Number number) {
    char digits[24]{};
    std::size_t n = 0;
    do digits[n++] = static_cast<char>('0' + number % 10);
    while (number /= 10);
    char forward[24]{};
    for (std::size_t i = 0; i < n; ++i) forward[i] = digits[n - 1 - i];
    return at / std::string_view(forward, n);
  }

private:
  constexpr void append(std::string_view name) {
    if (size_ + name.size() > capacity)
      fail("a parameter's name is longer than " + std::to_string(capacity) + " characters", std::string(view()) + "…");
    for (char c : name) text_[size_++] = c;
  }

  char text_[capacity]{};
  std::size_t size_ = 0;
};

}  // namespace towpath
