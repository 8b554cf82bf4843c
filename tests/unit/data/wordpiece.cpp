#include "towpath/data/wordpiece.hpp"

#include "scratch.hpp"

#include <thread>

using towpath::Truncation;
using towpath::WordPiece;

namespace {
using V = std::vector<std::int32_t>;
// 0 … 4 specials; the numbers are in the comments of the tests
constexpr const char* vocabulary =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"                           // 0-4
    "hello\nworld\nun\n##aff\n##able\n!\n,\n[\n]\ncl\n##s\na\nb\n"   // 5-17
    "Hello\né\ne\n東\n##東\ni\n##̇\nσ\n#\n##a\n";                     // 18-27

std::string tokens(const WordPiece& w, std::string_view text) {
  std::string s;
  for (auto id : w.pieces(text)) s += (s.empty() ? "" : " ") + std::string(w.token(id));
  return s;
}
}  // namespace

TEST_CASE("words, pieces and what surrounds them") {
  Scratch s;
  const WordPiece w{s.write("vocab.txt", vocabulary)};
  CHECK(w.vocabulary() == 28);
  CHECK(w.id("world") == 6);
  CHECK(w.id("World") == -1);
  CHECK(w.token(8) == "##aff");
  CHECK(w.pieces("") == V{});
  CHECK(w.pieces(" \t\n\x01 ") == V{});
  CHECK(w.pieces("Hello,unaffable  WORLD!") == V{5, 11, 7, 8, 9, 6, 10});
  CHECK(w.pieces("unaffablex hello") == V{1, 5});    // one unknown tail makes the whole word unknown
  CHECK(tokens(w, "a東b É é e\xCC\x81 \xCC\x81") == "a 東 b e e e");
  CHECK(tokens(w, "Σ ς İ") == "σ [UNK] i");          // no final sigma
  CHECK(tokens(w, "##a") == "# # a");
  CHECK(w.pieces("a\xE2\x80\xA8" "b a\xC2\xAD" "b") == V{16, 17, 1});
  CHECK(w.pieces(std::string("he\xFFllo wor\xED\xA0\x80ld\0", 16)) == V{5, 6});
  CHECK(w.encode("hello").ids == V{2, 5, 3});
  CHECK(w.encode("").ids == V{2, 3});
}

TEST_CASE("special tokens in a text") {
  Scratch s;
  const auto path = s.write("vocab.txt", vocabulary);
  const WordPiece w{path}, spelled{path, {.specials_in_text = false}};
  CHECK(w.pieces("a[CLS]b") == V{16, 2, 17});
  CHECK(w.pieces("[SEP][SEP] [MASK]! [PAD][UNK]") == V{3, 3, 4, 10, 0, 1});
  CHECK(w.pieces("[[CLS]]") == V{12, 2, 13});
  CHECK(w.pieces("[cls]") == V{12, 14, 15, 13});
  CHECK(w.pieces("[CLS") == V{12, 14, 15});
  CHECK(spelled.pieces("a[CLS]b") == V{16, 12, 14, 15, 13, 17});
}

TEST_CASE("options") {
  Scratch s;
  const auto path = s.write("vocab.txt", vocabulary);
  CHECK(tokens(WordPiece{path, {.lowercase = false}}, "Hello hello É é") == "Hello hello [UNK] é");
  CHECK(tokens(WordPiece{path, {.strip_accents = false}}, "Hello É é İ") == "hello é é i ##̇");
  CHECK(tokens(WordPiece{path, {.lowercase = false, .strip_accents = true}}, "Hello É é") == "Hello [UNK] e");
  CHECK(tokens(WordPiece{path, {.chinese = false}}, "a東 東東") == "a ##東 東 ##東");
}

TEST_CASE("a word of more than a hundred characters is unknown") {
  Scratch s;
  const WordPiece w{s.write("vocab.txt", vocabulary)};
  CHECK(w.pieces(std::string(100, 'a')).size() == 100);
  CHECK(w.pieces(std::string(101, 'a')) == V{1});
  std::string accents;
  for (int i = 0; i < 101; ++i) accents += "a\xCC\x81";
  CHECK(w.pieces(accents) == V{1});
  CHECK(w.pieces(accents.substr(3)).size() == 100);    // marks are gone before characters are counted
}

TEST_CASE("cut to a length, as the fast tokenizer cuts") {
  Scratch s;
  const WordPiece w{s.write("vocab.txt", vocabulary)};
  const auto n = [](const towpath::Encoded& e) {    // pieces kept of the first and of the second
    const auto second = std::count(e.types.begin(), e.types.end(), 1);
    return std::pair{static_cast<std::ptrdiff_t>(e.ids.size()) - second - 2, second - 1};
  };
  using P = std::pair<std::ptrdiff_t, std::ptrdiff_t>;
  const V a(10, 16), b(10, 17), c(3, 5);
  CHECK(w.single(a, 12).ids.size() == 12);
  CHECK_FALSE(w.single(a, 12).truncated);
  CHECK(w.single(a, 11).truncated);
  CHECK(w.single(a, 2).ids == V{2, 3});
  const auto whole = w.pair(c, V{17}, 64);
  CHECK(whole.ids == V{2, 5, 5, 5, 3, 17, 3});
  CHECK(whole.types == V{0, 0, 0, 0, 0, 1, 1});
  CHECK_FALSE(whole.truncated);
  CHECK(n(w.pair(a, b, 13)) == P{5, 5});
  CHECK(n(w.pair(a, b, 14)) == P{5, 6});                       // odd, equally long: the second keeps one more
  CHECK(n(w.pair(a, V(9, 17), 14)) == P{6, 5});                // odd, the first is longer
  CHECK(n(w.pair(c, b, 13)) == P{3, 7});
  CHECK(n(w.pair(b, c, 13)) == P{7, 3});
  CHECK(n(w.pair(a, b, 3)) == P{0, 0});
  CHECK(n(w.pair(c, b, 13, Truncation::only_second)) == P{3, 7});
  CHECK(n(w.pair(a, b, 14, Truncation::only_second)) == P{10, 1});
  CHECK(w.encode_pair("hello hello hello", "b", 64).ids == whole.ids);
  CHECK(says(complaint([&] { w.pair(a, b, 13, Truncation::only_second); }),
             {"the first text of a pair has 10 pieces", "of 13 ids nothing is left", "Truncation::longest_first"}));
  CHECK(says(complaint([&] { w.encode("a", 1); }), {"max_length 1 is too short", "[CLS] and [SEP] take 2"}));
  CHECK(says(complaint([&] { w.encode_pair("a", "b", 2); }), {"max_length 2 is too short", "take 3"}));
}

TEST_CASE("a folder brings its settings") {
  Scratch s;
  s.write("m/vocab.txt", vocabulary);
  CHECK(WordPiece{s.path("m")}.options().lowercase);
  s.write("m/tokenizer.json", R"({"normalizer": {"type": "BertNormalizer", "lowercase": false, "strip_accents": null}})");
  CHECK_FALSE(WordPiece{s.path("m")}.options().lowercase);
  s.write("m/tokenizer_config.json", R"({"do_lower_case": true, "strip_accents": false, "tokenize_chinese_chars": false,
      "model_max_length": 1000000000000000019884624838656})");
  const WordPiece w{s.path("m") + "/"};
  CHECK(w.options().lowercase);
  CHECK(w.options().strip_accents == false);
  CHECK_FALSE(w.options().chinese);
  CHECK(WordPiece{s.path("m"), {}}.options().chinese);    // options given: the files are not asked
  CHECK(WordPiece{s.path("m/vocab.txt")}.options().chinese);
}

TEST_CASE("the vocabulary of a tokenizer.json") {
  Scratch s;
  const auto path = s.write("t/tokenizer.json", R"({"normalizer": {"lowercase": true}, "model": {"type": "WordPiece",
      "vocab": {"[CLS]": 1, "[UNK]": 0, "[SEP]": 2, "hello": 3, "##s": 4}}})");
  CHECK(WordPiece{s.path("t")}.encode("Hellos x").ids == V{1, 3, 4, 0, 2});
  CHECK(WordPiece{path}.vocabulary() == 5);
  s.write("u/tokenizer.json", R"({"model": {"type": "BPE", "vocab": {}}})");
  CHECK(says(complaint([&] { WordPiece{s.path("u")}; }), {"u/tokenizer.json is no WordPiece tokenizer", "BERT"}));
  s.write("v/tokenizer.json", R"({"model": {"type": "WordPiece", "vocab": {"a": 0, "b": 5}}})");
  CHECK(says(complaint([&] { WordPiece{s.path("v")}; }), {"numbers the piece \"b\" 5", "every number from 0 to 1 once"}));
  s.write("w/tokenizer.json", "{");
  CHECK(says(complaint([&] { WordPiece{s.path("w")}; }), {"w/tokenizer.json is not JSON"}));
}

TEST_CASE("what a vocabulary lacks is said") {
  Scratch s;
  CHECK(says(complaint([&] { WordPiece{s.path("none.txt")}; }), {"cannot read ", "none.txt"}));
  CHECK(says(complaint([&] { WordPiece{s.path()}; }), {"no vocabulary in ", "neither vocab.txt nor tokenizer.json"}));
  CHECK(says(complaint([&] { WordPiece{s.write("a.txt", "the\nof\n")}; }),
             {"a.txt has no [UNK]", "words that cannot be spelled", "2 pieces were read here, the first of them \"the\""}));
  CHECK(says(complaint([&] { WordPiece{s.write("b.txt", "[UNK]\n[SEP]\n")}; }), {"b.txt has no [CLS]: every text begins with it"}));
  CHECK(says(complaint([&] { WordPiece{s.write("c.txt", "")}; }), {"c.txt has no [UNK]", "0 pieces"}));
  const WordPiece w{s.write("d.txt", "[UNK]\r\n[CLS] \r\n[SEP]\xE3\x80\x80\nx\nx\n")};    // white space at the end of a line is none of it
  CHECK(w.encode("x").ids == V{1, 4, 2});                                                   // written twice: the later id
  CHECK(says(complaint([&] { w.token(5); }), {"there is no piece 5: the vocabulary has 5 pieces"}));
  CHECK(says(complaint([&] { w.token(-1); }), {"there is no piece -1"}));
  CHECK(w.mask() == -1);
}

TEST_CASE("copies share their table, and many threads may ask at once") {
  Scratch s;
  const WordPiece w{s.write("vocab.txt", vocabulary)};
  const auto expected = w.pieces("Hello unaffable e\xCC\x81 [MASK]");
  std::vector<V> got(8);
  std::vector<std::thread> threads;
  for (auto& g : got)
    threads.emplace_back([copy = w, &g] {
      for (int i = 0; i < 200; ++i) g = copy.pieces("Hello unaffable e\xCC\x81 [MASK]");
    });
  for (auto& t : threads) t.join();
  for (const auto& g : got) CHECK(g == expected);
}
