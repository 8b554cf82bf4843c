#include "towpath/data/collate.hpp"

#include "scratch.hpp"

using namespace towpath;
using V = std::vector<std::int32_t>;
using P = std::vector<std::pair<Index, Index>>;

namespace {
constexpr const char* vocabulary = "[UNK]\n[CLS]\n[SEP]\na\nb\nc\nd\ne\n";    // a = 3

V ids(const Ragged& r, Index s) {
  const auto x = r.sequence(s);
  return {x.begin(), x.end()};
}
TrainingTexts made(const WordPiece& words) {
  TrainingTexts t{words, 4, 5};
  for (const char* q : {"a", "b b b", "c"}) t.queries.add(words.pieces(q));
  for (const char* p : {"a a", "b b b b", "c", "d", "e"}) t.passages.add(words.pieces(p));
  t.relevant = {{0, 2}, {1}, {2}};
  return t;
}
}  // namespace

TEST_CASE("texts and pairs are appended, cuts are counted") {
  Scratch s;
  const WordPiece w{s.write("vocab.txt", vocabulary)};
  Ragged r;
  Index cut = append(r, w, "a b c", 5);
  cut += append(r, w, "a b c", 4);
  cut += append_pair(r, w, "a b", "c d e", 6);
  cut += append_pair(r, w, "a b", "c d e", 6, Truncation::only_second);
  CHECK(cut == 3);
  CHECK(r.count() == 4);
  CHECK(ids(r, 1) == V{1, 3, 4, 2});
  CHECK(ids(r, 2) == V{1, 3, 2, 5, 6, 2});
  CHECK(ids(r, 3) == V{1, 3, 4, 2, 5, 2});
  CHECK(V(r.types.begin() + r.begin(3), r.types.end()) == V{0, 0, 0, 0, 1, 1});
}

TEST_CASE("a batch holds a passage once and knows what else is relevant") {
  Scratch s;
  const TrainingTexts t = made(WordPiece{s.write("vocab.txt", vocabulary)});
  const std::vector<Example> examples{{0, 0, {3, 1}}, {1, 1, {3}}, {2, 2, {4}}};
  const Batch b = t.collate(examples);
  CHECK(b.queries.count() == 3);
  CHECK(b.passages.count() == 5);                             // 0 3 1 2 4, in the order they came
  CHECK(b.positive == std::vector<Index>{0, 2, 3});
  CHECK(b.also_relevant == P{{0, 3}});                        // query 0 and the passage "c" of query 2
  CHECK(b.truncated == 2);                                    // "b b b" to 4 ids, "b b b b" to 5
  CHECK(ids(b.queries, 1) == V{1, 4, 4, 2});
  CHECK(ids(b.passages, 2) == V{1, 4, 4, 4, 2});
  CHECK(t.collate({}).queries.count() == 0);

  const std::vector<Example> same{{0, 2}, {2, 2}, {0, 0}};    // two queries share a positive; one query comes twice
  const Batch c = t.collate(same);
  CHECK(c.passages.count() == 2);
  CHECK(c.positive == std::vector<Index>{0, 0, 1});
  CHECK(c.also_relevant == P{{0, 1}, {2, 0}});
}

TEST_CASE("pairs come in groups, the relevant one first") {
  Scratch s;
  const TrainingTexts t = made(WordPiece{s.write("vocab.txt", vocabulary)});
  const std::vector<Example> examples{{0, 0, {3, 2, 1}}, {1, 1, {}}};    // 2 is relevant to 0: no negative
  const PairBatch b = t.collate_pairs(examples, 7, Truncation::longest_first);
  CHECK(b.count() == 2);
  CHECK(b.groups == std::vector<Index>{0, 3, 4});
  CHECK(ids(b.pairs, 0) == V{1, 3, 2, 3, 3, 2});
  CHECK(ids(b.pairs, 1) == V{1, 3, 2, 6, 2});
  CHECK(ids(b.pairs, 2) == V{1, 3, 2, 4, 4, 4, 2});
  CHECK(ids(b.pairs, 3) == V{1, 4, 4, 2, 4, 4, 2});
  CHECK(b.truncated == 2);
}

TEST_CASE("tokenising on several threads gives what one gives, in the order of the texts") {
  Scratch s;
  const WordPiece words{s.write("vocab.txt", vocabulary)};
  std::vector<std::string> texts;
  for (int i = 0; i < 1000; ++i) {
    texts.emplace_back();
    for (int k = 0; k < i % 7; ++k) (texts.back() += static_cast<char>('a' + (i + k) % 5)) += ' ';
  }
  Pieces expected;
  expected.add(words.pieces("e e"));
  for (const auto& t : texts) expected.add(words.pieces(t));
  for (Index n : {1, 2, 5}) {
    Threads threads(n);
    Pieces got;
    got.add(words.pieces("e e"));    // what is there already stays
    tokenise(got, words, 1000, [&](Index i) { return std::string_view(texts[static_cast<std::size_t>(i)]); }, threads);
    CHECK(got.ids == expected.ids);
    CHECK(got.offsets == expected.offsets);
    tokenise(got, words, 0, [&](Index) { return std::string_view(); }, threads);
    CHECK(got.count() == 1001);
  }
}

TEST_CASE("texts to encode come longest first, in batches with a bound") {
  Scratch s;
  const WordPiece words{s.write("vocab.txt", vocabulary)};
  Pieces texts;
  for (const char* t : {"a", "a b c d e a b", "", "b", "a b c", "c"}) texts.add(words.pieces(t));
  LongestFirst batches{words, texts, 6, 8};
  std::vector<std::vector<Index>> rows;
  std::vector<Index> tokens;
  Index cut = 0;
  while (const auto part = batches.next()) {
    rows.push_back(part->rows);
    tokens.push_back(part->tokens.tokens());
    cut += part->truncated;
    for (std::size_t i = 0; i < part->rows.size(); ++i)
      CHECK(ids(part->tokens, static_cast<Index>(i)) == words.single(texts[part->rows[i]], 6).ids);
  }
  CHECK(rows == std::vector<std::vector<Index>>{{1}, {4, 0}, {3, 5, 2}});
  CHECK(tokens == std::vector<Index>{6, 8, 8});
  CHECK(cut == 1);
  LongestFirst alone{words, texts, 6, 1};    // more than the bound each: batches of one
  for (Index i = 0; i < 6; ++i) CHECK(alone.next()->rows.size() == 1);
  CHECK_FALSE(alone.next());
  const Pieces none;
  CHECK_FALSE(LongestFirst(words, none, 6, 8).next());
}
