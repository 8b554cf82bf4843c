// WordPiece against Hugging Face's fast tokenizer. The expected ids are made by tokenizer.py beside this file (tokenizers 0.23.3):
// a committed list of nasty texts, and, where TOWPATH_TOKENIZER_EXPECTED names what `tokenizer.py all` wrote, every text of
// every collection, single and in pairs, at several lengths, and every code point there is.
#include "towpath/data/wordpiece.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <map>
#include <tuple>
#include <unistd.h>

namespace {

struct Golden {
  const char* text;
  int bytes, options;
  std::vector<std::int32_t> small, base;
};
#include "tokenizer_golden.inc"

towpath::WordPieceOptions options_of(int lowercase, int strip, int specials, int chinese) {
  return {.lowercase = lowercase != 0,
          .strip_accents = strip == 2 ? std::optional<bool>() : std::optional<bool>(strip != 0),
          .chinese = chinese != 0,
          .specials_in_text = specials != 0};
}
towpath::WordPieceOptions option_set(int number) {    // OPTIONS in tokenizer.py
  constexpr int sets[4][4] = {{1, 2, 1, 1}, {0, 2, 1, 1}, {1, 0, 0, 1}, {0, 1, 1, 0}};
  const auto& s = sets[number];
  return options_of(s[0], s[1], s[2], s[3]);
}

template <class Expected>
void compare(const std::string& vocabulary, Expected expected) {
  for (int set = 0; set < 4; ++set) {
    const towpath::WordPiece words{vocabulary, option_set(set)};
    for (const Golden& g : golden)
      if (g.options == set) {
        const std::string text(g.text, static_cast<std::size_t>(g.bytes));
        CAPTURE(text);
        CAPTURE(set);
        CHECK(words.pieces(text) == expected(g));
      }
  }
}

}  // namespace

TEST_CASE("the nasty list, with a small vocabulary") {
  const std::string path = "tokenizer_small_" + std::to_string(::getpid()) + ".txt";
  std::FILE* f = std::fopen(path.c_str(), "wb");
  REQUIRE(f);
  std::fputs(small_vocabulary, f);
  std::fclose(f);
  compare(path, [](const Golden& g) { return g.small; });
  std::remove(path.c_str());
}

TEST_CASE("the nasty list, with bert-base-uncased") {
  const char* data = std::getenv("TOWPATH_DATA");
  if (!data) {
    MESSAGE("skipped: TOWPATH_DATA is not set, so there is no vocab-bert-base-uncased");
    return;
  }
  compare(std::string(data) + "/vocab-bert-base-uncased/vocab.txt", [](const Golden& g) { return g.base; });
}

TEST_CASE("every text there is") {
  const char* data = std::getenv("TOWPATH_DATA");
  const char* path = std::getenv("TOWPATH_TOKENIZER_EXPECTED");
  if (!data || !path) {
    MESSAGE("skipped: TOWPATH_DATA or TOWPATH_TOKENIZER_EXPECTED is not set (run tokenizer.py all)");
    return;
  }
  std::map<std::tuple<int, int, int, int>, towpath::WordPiece> made;
  std::FILE* f = std::fopen(path, "rb");
  REQUIRE(f);
  struct Head {
    std::int32_t lowercase, strip, specials, chinese, limit, rule, a, b;
  } head{};
  const auto read = [&](void* to, std::size_t size) { return std::fread(to, 1, size, f) == size; };
  towpath::Index records = 0, different = 0, refused = 0, ids = 0;
  double seconds = 0;
  while (read(&head, sizeof head)) {
    std::string a(static_cast<std::size_t>(head.a), '\0'), b(static_cast<std::size_t>(head.b), '\0');
    std::int32_t n = 0;
    REQUIRE((read(a.data(), a.size()) && read(b.data(), b.size()) && read(&n, sizeof n)));
    std::vector<std::int32_t> expected(static_cast<std::size_t>(n > 0 ? n : 0));
    std::string types(expected.size(), '\0');
    REQUIRE((read(expected.data(), expected.size() * 4) && read(types.data(), types.size())));
    const auto key = std::tuple(head.lowercase, head.strip, head.specials, head.chinese);
    auto at = made.find(key);
    if (at == made.end())
      at = made.emplace(key, towpath::WordPiece(std::string(data) + "/vocab-bert-base-uncased/vocab.txt",
                                                options_of(head.lowercase, head.strip, head.specials, head.chinese))).first;
    const towpath::WordPiece& words = at->second;
    towpath::Encoded e;
    bool failed = false;
    const auto before = std::chrono::steady_clock::now();
    try {
      const towpath::Index limit = head.limit ? head.limit : towpath::Index{1} << 30;
      e = head.rule == 0 ? words.encode(a, limit)
                         : words.encode_pair(a, b, limit, head.rule == 1 ? towpath::Truncation::longest_first
                                                                         : towpath::Truncation::only_second);
    } catch (const towpath::Error&) {
      failed = true;
    }
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
    bool same = failed == (n < 0);
    if (same && !failed) {
      same = e.ids == expected;
      for (std::size_t i = 0; same && i < expected.size(); ++i) same = e.types[i] == types[i];
    }
    ++records;
    refused += failed;
    ids += static_cast<towpath::Index>(e.ids.size());
    if (!same && ++different <= 20) {
      std::string ours, theirs;
      for (auto i : e.ids) ours += std::string(words.token(i)) + " ";
      for (auto i : expected) theirs += std::string(words.token(i)) + " ";
      MESSAGE("limit " << head.limit << " rule " << head.rule << " lowercase " << head.lowercase << "\n  a      " << a << "\n  b      "
                       << b << "\n  ours   " << ours << "\n  theirs " << theirs);
    }
  }
  std::fclose(f);
  MESSAGE(records << " records, " << different << " different, " << refused << " refused by both, " << ids << " ids, "
                  << static_cast<double>(ids) / seconds / 1e6 << " M ids kept per second");
  CHECK(records > 100000);
  CHECK(different == 0);
}
