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
