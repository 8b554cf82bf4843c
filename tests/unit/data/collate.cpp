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
  const PairTexts longest{&t, {.max_length = 7, .rule = Truncation::longest_first}};
  const PairBatch b = longest.collate(examples);
  CHECK(b.count() == 2);
  CHECK(b.groups == std::vector<Index>{0, 3, 4});
  CHECK(ids(b.pairs, 0) == V{1, 3, 2, 3, 3, 2});
  CHECK(ids(b.pairs, 1) == V{1, 3, 2, 6, 2});
  CHECK(ids(b.pairs, 2) == V{1, 3, 2, 4, 4, 4, 2});
  CHECK(ids(b.pairs, 3) == V{1, 4, 4, 2, 4, 4, 2});
  CHECK(b.truncated == 2);
  CHECK(b.tokens() == 6 + 5 + 7 + 7);
  CHECK(b.teacher.empty());
  CHECK(longest.tokens(examples[0]) == 6 + 5 + 5 + 7);    // before anybody looks at what is relevant
  CHECK(longest.tokens(examples[1]) == 7);

  // A teacher's scores stay with their pairs where one is left out, and a query can be cut before the pair is.
  const std::vector<Example> taught{{0, 0, {3, 2, 1}, {.5f, .25f, 9, -1}}, {1, 1, {}, {2}}};
  const PairTexts second{&t, {.max_length = 7, .query_pieces = 2}};
  const PairBatch c = second.collate(taught);
  CHECK(c.teacher == std::vector<float>{.5f, .25f, -1, 2});
  CHECK(ids(c.pairs, 3) == V{1, 4, 4, 2, 4, 4, 2});
  CHECK(V(c.pairs.types.begin() + c.pairs.begin(3), c.pairs.types.end()) == V{0, 0, 0, 0, 1, 1, 1});
  CHECK(second.tokens(taught[1]) == 7);
}

namespace {
struct Alphabet {
  TrainingTexts kept;
  Lengths of;
  Index count() const { return 6; }
  Index batch() const { return 4; }
  const Lengths& lengths() const { return of; }
  std::uint64_t seed() const { return 9; }
  const TrainingTexts& texts() const { return kept; }
  Example example(Index epoch, Index i) const { return {i % 3, (i + epoch) % 5, {(i + epoch + 1) % 5}}; }
};
}  // namespace

TEST_CASE("any source gives groups of pairs, in its own order, bounded by the ids of the pairs") {
  Scratch s;
  const Alphabet source{made(WordPiece{s.write("vocab.txt", vocabulary)}), {.tokens = 24}};
  const AsPairs groups{source, {.max_length = 7, .rule = Truncation::longest_first}};
  for (Index e : {0, 1}) {
    Index all = 0;
    const auto epoch = groups.epoch(e);
    for (Index i = 0; i < epoch.count(); ++i) {
      const PairBatch b = epoch.batch(i), again = groups.epoch(e).batch(i);
      CHECK(b.pairs.ids == again.pairs.ids);
      CHECK((b.tokens() <= 24 || b.count() == 1));
      all += b.count();
    }
    CHECK(all == 6);
    CHECK(epoch.count() > 2);
  }
  Alphabet unbounded = source;
  unbounded.of = {};
  const auto plain = Epoch<Alphabet>(unbounded, 1);
  const AsPairs same{unbounded, {}};
  CHECK(same.epoch(1).count() == plain.count());
  for (Index i = 0; i < plain.count(); ++i)
    for (std::size_t k = 0; k < plain.examples(i).size(); ++k) CHECK(same.epoch(1).examples(i)[k].positive == plain.examples(i)[k].positive);
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

TEST_CASE("pairs to score come longest first, too") {
  Scratch s;
  const WordPiece words{s.write("vocab.txt", vocabulary)};
  Pieces queries, passages;
  for (const char* t : {"a", "b b b"}) queries.add(words.pieces(t));
  for (const char* t : {"c c", "d", "e e e e e e"}) passages.add(words.pieces(t));
  const P pairs{{0, 1}, {1, 0}, {0, 2}, {1, 2}, {0, 0}};    // 5, 8, 10, 12, 6 ids
  const PairOptions options{.max_length = 9};
  LongestFirst batches{words, queries, passages, pairs, options, 17};
  CHECK(batches.count() == 5);
  std::vector<std::vector<Index>> rows;
  Index cut = 0;
  while (const auto part = batches.next()) {
    rows.push_back(part->rows);
    cut += part->truncated;
    for (std::size_t i = 0; i < part->rows.size(); ++i) {
      const auto [q, p] = pairs[static_cast<std::size_t>(part->rows[i])];
      CHECK(ids(part->tokens, static_cast<Index>(i)) == words.pair(queries[q], passages[p], 9, Truncation::only_second).ids);
    }
  }
  CHECK(rows == std::vector<std::vector<Index>>{{3}, {2, 1}, {4, 0}});
  CHECK(cut == 2);
}
