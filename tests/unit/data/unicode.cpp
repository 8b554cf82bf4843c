#include "towpath/data/unicode.hpp"

#include <doctest/doctest.h>

namespace u = towpath::unicode;

TEST_CASE("every character goes out as it came in") {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string s;
    u::append(s, c);
    std::size_t at = 0;
    const bool same = u::decode(s, at) == c && at == s.size();
    if (!same) FAIL("character " << static_cast<unsigned>(c));
  }
}

TEST_CASE("ill-formed bytes are one U+FFFD each") {
  for (const char* s : {"\xFF", "\x80", "\xC0\x80", "\xC3", "\xE4\xBD", "\xED\xA0\x80", "\xE0\x80\x80", "\xF4\x90\x80\x80", "\xF0\x9F\x98", "\xF8\x88\x80\x80\x80"}) {
    const std::string text = s;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t before = at;
      CHECK(u::decode(text, at) == 0xFFFD);
      CHECK(at == before + 1);
    }
  }
  std::size_t at = 0;
  CHECK(u::decode("\xE4\xBD" "A", at) == 0xFFFD);
  CHECK(u::decode("\xE4\xBD" "A", at) == 0xFFFD);
  CHECK(u::decode("\xE4\xBD" "A", at) == U'A');
}

TEST_CASE("classes, and where they differ from today's Unicode") {
  CHECK(u::dropped(0));
  CHECK(u::dropped(0xFFFD));
  CHECK(u::dropped(0xB));
  CHECK(u::dropped(0x85));
  CHECK(u::dropped(0xAD));
  CHECK(u::dropped(0xE000));
  CHECK_FALSE(u::dropped('\t'));
  CHECK_FALSE(u::dropped(0x378));      // unassigned
  CHECK_FALSE(u::dropped(0x8E2));      // a format character of Unicode 9
  CHECK(u::space(0x2028));
  CHECK(u::space(0x3000));
  CHECK_FALSE(u::space(0x180E));
  CHECK(u::ideograph(0x4E00));
  CHECK_FALSE(u::ideograph(0x2B820));
  CHECK(u::ideograph(0x2B920));
  CHECK(u::mark(0x301));
  CHECK(u::mark(0x1734));
  CHECK_FALSE(u::mark(0x8E1));
  CHECK_FALSE(u::mark(0x302E));
  CHECK(u::punctuation('$'));
  CHECK(u::punctuation(0x2E42));
  CHECK_FALSE(u::punctuation(0x2E43));
  CHECK(u::punctuation(0x166D));
  CHECK_FALSE(u::punctuation(0x20AC));
  CHECK(u::lower(U'Σ') == U'σ');
  CHECK(u::lower(0x1E9E) == U'ß');
  CHECK(u::lower(0xA7CB) == 0x264);
}

TEST_CASE("canonical decomposition goes all the way down") {
  char32_t to[8];
  REQUIRE(u::decompose(0x1E69, to) == 3);    // s with dot below and above
  CHECK(to[0] == U's');
  CHECK(to[1] == 0x323);
  CHECK(to[2] == 0x307);
  REQUIRE(u::decompose(0xD55C, to) == 3);    // a Hangul syllable
  CHECK(to[0] == 0x1112);
  CHECK(u::decompose(U'a', to) == 1);
  CHECK(u::decompose(0xFB01, to) == 1);      // a compatibility ligature stays
  CHECK(u::order_class(0x301) == 230);
  CHECK(u::order_class(0x323) == 220);
  CHECK(u::order_class(U'a') == 0);
  CHECK(u::order_class(0x8D3) == 0);         // younger than the tokenizer's tables
}
