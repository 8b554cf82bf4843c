#pragma once

#include "towpath/base/config.hpp"

#include <utf8proc.h>

#include <cstddef>
#include <string>
#include <string_view>

// What BERT's fast tokenizer thinks of a character. Its tables of categories stand still at Unicode 8 while its lower case
// follows the newest Unicode, and what a model was trained on is what those tables said, so the differences from utf8proc are
// written down here as ranges. They were found by asking both about every one of the 1,112,064 code points (tokenizers 0.23.3,
// utf8proc 2.8); tests/parity/tokenizer.py sends every code point through both again.
namespace towpath::unicode {

namespace detail {
struct Range {
  char32_t first, last;
};
template <std::size_t N>
constexpr bool within(const Range (&ranges)[N], char32_t c) {
  if (c < ranges[0].first || c > ranges[N - 1].last) return false;
  for (const Range& r : ranges)
    if (c <= r.last) return c >= r.first;
  return false;
}
// Inside these, what utf8proc calls a nonspacing mark, a punctuation mark or a control is none to the tokenizer.
inline constexpr Range later_marks[] = {
    {0x7FD, 0x7FD}, {0x898, 0x8E1}, {0x9FE, 0x9FE}, {0xAFA, 0xAFF}, {0xB55, 0xB55}, {0xC04, 0xC3C}, {0xD00, 0xD00},
    {0xD3B, 0xD3C}, {0xD81, 0xD81}, {0xEBA, 0xEBA}, {0xECE, 0xECE}, {0x180F, 0x1886}, {0x1ABF, 0x1ACE}, {0x1DF6, 0x1DFB},
    {0xA82C, 0xA82C}, {0xA8C5, 0xA8C5}, {0xA8FF, 0xA8FF}, {0xA9BD, 0xA9BD}, {0x10D24, 0x10F85}, {0x11070, 0x11074},
    {0x110C2, 0x110C2}, {0x111C9, 0x111C9}, {0x111CF, 0x111CF}, {0x1123E, 0x11241}, {0x1133B, 0x1133B}, {0x11438, 0x1145E},
    {0x1182F, 0x13455}, {0x16F4F, 0x16F4F}, {0x16FE4, 0x16FE4}, {0x1CF00, 0x1CF46}, {0x1E000, 0x1E4EF}, {0x1E944, 0x1E94A}};
inline constexpr Range later_punctuation[] = {
    {0x61D, 0x61D}, {0x9FD, 0xA76}, {0xC77, 0xC84}, {0x1B7D, 0x1B7E}, {0x2E43, 0x2E5D}, {0x10EAD, 0x10F89},
    {0x1144B, 0x1145D}, {0x11660, 0x116B9}, {0x1183B, 0x11FFF}, {0x12FF1, 0x12FF2}, {0x16E97, 0x16FE2}, {0x1E95E, 0x1E95F}};
inline constexpr Range later_controls[] = {{0x890, 0x8E2}, {0x110CD, 0x1343F}};
// Inside these, what has a combining class has none to the tokenizer's decomposition, whose tables are a little younger.
inline constexpr Range later_order[] = {
    {0x7FD, 0x7FD}, {0x898, 0x8D3}, {0x9FE, 0x9FE}, {0xC3C, 0xC3C}, {0xD3B, 0xD3C}, {0xEBA, 0xEBA}, {0x1715, 0x1715},
    {0x1ABF, 0x1ACE}, {0x1DF6, 0x1DFA}, {0xA82C, 0xA82C}, {0x10D24, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B},
    {0x1145E, 0x1145E}, {0x11839, 0x11A99}, {0x11D42, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E4EF}};
}  // namespace detail

// The character at text[at], and at moves behind it; 0xFFFD for a byte that begins no well-formed UTF-8, which is skipped
// alone. (Python's errors="replace" may join several such bytes in one U+FFFD; the tokenizer drops either.)
inline char32_t decode(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned a = byte(0);
  if (a < 0x80) return ++at, char32_t{a};
  if (a >= 0xC2 && a < 0xE0 && follows(1)) {
    const char32_t c = (a & 0x1Fu) << 6 | (byte(1) & 0x3Fu);
    return at += 2, c;
  }
  if (a >= 0xE0 && a < 0xF0 && follows(1) && follows(2)) {
    const char32_t c = (a & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    if (c >= 0x800 && (c < 0xD800 || c > 0xDFFF)) return at += 3, c;
  }
  if (a >= 0xF0 && a < 0xF5 && follows(1) && follows(2) && follows(3)) {
    const char32_t c = (a & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu);
    if (c >= 0x10000 && c <= 0x10FFFF) return at += 4, c;
  }
  return ++at, char32_t{0xFFFD};
}

inline void append(std::string& to, char32_t c) {
  const auto put = [&](char32_t b) { to.push_back(static_cast<char>(static_cast<unsigned char>(b))); };
  if (c < 0x80) return put(c);
  if (c < 0x800) put(0xC0 | c >> 6);
  else {
    if (c < 0x10000) put(0xE0 | c >> 12);
    else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
    }
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

// Dropped before anything else: U+0000, U+FFFD and the categories Cc, Cf and Co. (Cn, not yet assigned, stays.)
inline bool dropped(char32_t c) {
  if (c == 0 || c == 0xFFFD) return true;
  if (c == '\t' || c == '\n' || c == '\r') return false;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO: return !detail::within(detail::later_controls, c);
    default: return false;
  }
}

// White_Space that is left once controls are gone.
inline constexpr bool space(char32_t c) {
  return c == ' ' || (c >= 9 && c <= 13) || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

// Characters that are words by themselves. The last range but two should begin at U+2B820; the tokenizer says U+2B920.
inline constexpr bool ideograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

// Mn: the accents that remain of a letter after canonical decomposition.
inline bool mark(char32_t c) {
  if (c == 0x1734) return true;
  return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_MN && !detail::within(detail::later_marks, c);
}

// P*, and every ASCII symbol.
inline bool punctuation(char32_t c) {
  if (c < 0x80) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  if (c == 0x166D || c == 0x111C9) return true;
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO && !detail::within(detail::later_punctuation, c);
}

// Lower case of one character. The only one that becomes two, U+0130 (I with a dot), is left to the caller.
inline char32_t lower(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  switch (c) {
    case 0x1C89: case 0xA7CC: case 0xA7CE: case 0xA7D2: case 0xA7D4: case 0xA7DA: return c + 1;
    case 0xA7CB: return 0x264;
    case 0xA7DC: return 0x19B;
    default: break;
  }
  if (c >= 0x10D50 && c <= 0x10D65) return c + 32;
  if (c >= 0x16EA0 && c <= 0x16EB8) return c + 27;
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

// Canonical decomposition of one character into `to`, all the way down; returns how many characters there are (at most 8).
// Ordering them against their neighbours is the caller's work: see order_class.
inline int decompose(char32_t c, char32_t (&to)[8]) {
  to[0] = c;
  if (c < 0xC0 || c == 0x11938) return 1;    // U+11938 is younger than the tokenizer's tables
  utf8proc_int32_t parts[8];
  int unused = 0;
  const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 8, UTF8PROC_DECOMPOSE, &unused);
  if (n < 1 || n > 8) return 1;
  for (int i = 0; i < static_cast<int>(n); ++i) to[i] = static_cast<char32_t>(parts[i]);
  return static_cast<int>(n);
}
// 0 for a character that stays where it is; runs of the others are sorted by this number, equals kept in order.
inline int order_class(char32_t c) {
  if (c < 0x300) return 0;
  const int order = static_cast<int>(utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class);
  return order && detail::within(detail::later_order, c) ? 0 : order;
}

}  // namespace towpath::unicode
