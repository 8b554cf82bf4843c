#include "towpath/data/triples.hpp"

#include "scratch.hpp"

#include <set>

using namespace towpath;

namespace {
constexpr const char* vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nq\np\nn\n##0\n##1\n##2\n##3\n##4\n##5\n##6\n##7\n##8\n##9\n";
std::string text(const WordPiece& w, std::span<const std::int32_t> ids) {
  std::string s;
  for (auto i : ids.subspan(1, ids.size() - 2)) {
    const auto t = w.token(i);
    s += t.starts_with("##") ? std::string(t.substr(2)) : (s.empty() ? "" : " ") + std::string(t);
  }
  return s;
}
}  // namespace

TEST_CASE("each line is once in an epoch, in an order that seed and epoch fix") {
  Scratch s;
  std::string lines;
  for (int i = 0; i < 70; ++i) lines += "q" + std::to_string(i) + "\tp" + std::to_string(i) + "\tn" + std::to_string(i) + "\n";
  const WordPiece words{s.write("vocab.txt", vocabulary)};
  const auto path = s.write("train.tsv.gz", lines);
  const Triples triples{path, words, {.batch = 32, .passage_length = 128}};
  CHECK(triples.count() == 70);
  CHECK(triples.epoch(0).count() == 3);

  std::vector<Index> sizes;
  std::vector<std::string> order;
  for (const Batch& b : triples) {
    sizes.push_back(b.queries.count());
    CHECK(b.passages.count() == 2 * b.queries.count());
    CHECK(b.also_relevant.empty());
    CHECK(b.truncated == 0);
    for (Index q = 0; q < b.queries.count(); ++q) {
      const auto name = text(words, b.queries.sequence(q)).substr(1);
      const Index p = b.positive[static_cast<std::size_t>(q)];
      CHECK(text(words, b.passages.sequence(p)) == "p" + name);
      CHECK(text(words, b.passages.sequence(p + 1)) == "n" + name);
      order.push_back(name);
    }
  }
  CHECK(sizes == std::vector<Index>{32, 32, 6});
  CHECK(std::set<std::string>(order.begin(), order.end()).size() == 70);

  const auto first = [&](const Triples& t, Index epoch) { return text(words, t.epoch(epoch).batch(0).queries.sequence(0)); };
  const auto whole = [&](const Triples& t, Index epoch) {
    std::string all;
    for (const Batch& b : t.epoch(epoch))
      for (Index q = 0; q < b.queries.count(); ++q) all += text(words, b.queries.sequence(q)) + " ";
    return all;
  };
  CHECK(first(triples, 0) == "q" + order[0]);
  CHECK(text(words, triples.epoch(0).batch(2).queries.sequence(5)) == "q" + order[69]);    // without batches 0 and 1
  CHECK(whole(triples, 0) == whole(Triples{path, words}, 0));
  CHECK(whole(triples, 0) != whole(triples, 1));
  CHECK(whole(triples, 0) != whole(Triples{path, words, {.seed = 43}}, 0));
  const Triples third{path, words, {.epoch = 3}};
  CHECK(text(words, (*third.begin()).queries.sequence(0)) == first(triples, 3));
  CHECK(says(complaint([&] { triples.epoch(0).batch(3); }), {"there is no batch 3: an epoch has 3 batches"}));
}

namespace {
// Queries of one word; passages of one to ten, told apart by their first.
std::string of_many_lengths() {
  std::string lines;
  for (int i = 0; i < 600; ++i) {
    lines += "q" + std::to_string(i) + "\tp" + std::to_string(i);
    for (int k = 0; k < (i * 37) % 10; ++k) lines += " n";
    lines += "\n";
  }
  return lines;
}
std::vector<Batch> all(const Triples& t, Index epoch) {
  std::vector<Batch> batches;
  for (const Batch& b : t.epoch(epoch)) batches.push_back(b);
  return batches;
}
std::multiset<std::string> queries(const WordPiece& words, const std::vector<Batch>& batches) {
  std::multiset<std::string> names;
  for (const Batch& b : batches)
    for (Index q = 0; q < b.queries.count(); ++q) names.insert(text(words, b.queries.sequence(q)));
  return names;
}
Index ids(const Batch& b) { return b.queries.tokens() + b.passages.tokens(); }
bool same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  bool equal = a.size() == b.size();
  for (std::size_t i = 0; equal && i < a.size(); ++i)
    equal = a[i].queries.ids == b[i].queries.ids && a[i].passages.ids == b[i].passages.ids;
  return equal;
}
}  // namespace

TEST_CASE("batches with a bound on their ids have every line once, and fill the bound") {
  Scratch s;
  const WordPiece words{s.write("vocab.txt", vocabulary)};
  const auto path = s.write("t.tsv", of_many_lengths());
  const Triples plain{path, words, {.batch = 32}}, bounded{path, words, {.batch = 32, .lengths = {.tokens = 120}}};
  const auto batches = all(bounded, 1);
  CHECK(queries(words, batches) == queries(words, all(plain, 1)));
  for (std::size_t i = 0; i < batches.size(); ++i) {
    CHECK(ids(batches[i]) <= 120);
    if (i + 1 < batches.size()) CHECK(ids(batches[i]) > 120 - (4 + 4 + 13));    // the next example did not fit
    CHECK(batches[i].queries.count() <= 32);
  }
  CHECK(same(batches, all(Triples{path, words, {.batch = 32, .lengths = {.tokens = 120}}}, 1)));
  CHECK_FALSE(same(batches, all(bounded, 2)));
  // Each is made on its own, and the order of examples is that without a bound.
  CHECK(bounded.epoch(1).batch(3).queries.ids == batches[3].queries.ids);
  CHECK(text(words, batches[0].queries.sequence(5)) == text(words, plain.epoch(1).batch(0).queries.sequence(5)));
  const auto single = all(Triples{path, words, {.batch = 32, .lengths = {.tokens = 1}}}, 0);
  CHECK(single.size() == 600);
  const auto three = all(Triples{path, words, {.batch = 3, .lengths = {.tokens = 1000000}}}, 0);
  CHECK(three.size() == 200);
  CHECK(says(complaint([&] { Triples{path, words, {.lengths = {.tokens = -1}}}; }), {"tokens = -1"}));
}

TEST_CASE("batches of texts that are alike in length, shuffled, differ from epoch to epoch") {
  Scratch s;
  const WordPiece words{s.write("vocab.txt", vocabulary)};
  const auto path = s.write("t.tsv", of_many_lengths());
  const Triples plain{path, words, {.batch = 4}}, alike{path, words, {.batch = 4, .lengths = {.alike = true}}};
  const auto batches = all(alike, 0);
  REQUIRE(batches.size() == 150);
  CHECK(queries(words, batches) == queries(words, all(plain, 0)));
  const auto spread = [](const std::vector<Batch>& list) {    // of the lengths in a batch, at most and on average
    Index most = 0, sum = 0;
    for (const Batch& b : list) {
      Index low = 1000, high = 0;
      for (Index p = 0; p < b.passages.count(); ++p) low = std::min(low, b.passages.length(p)), high = std::max(high, b.passages.length(p));
      most = std::max(most, high - low);
      sum += high - low;
    }
    return std::pair{most, static_cast<double>(sum) / static_cast<double>(list.size())};
  };
  CHECK(spread(batches).first <= 3);    // numbers of one, two and three digits among the words make queries differ too
  CHECK(spread(batches).second < 1.5);
  CHECK(spread(all(plain, 0)).second > 4);
  Index turns = 0;    // long and short batches alternate rather than rise
  const auto rises = [&](std::size_t i) { return ids(batches[i]) > ids(batches[i - 1]); };
  for (std::size_t i = 2; i < batches.size(); ++i) turns += rises(i) != rises(i - 1);
  CHECK(turns > 50);
  CHECK(same(batches, all(Triples{path, words, {.batch = 4, .lengths = {.alike = true}, .threads = 3}}, 0)));
  CHECK_FALSE(same(batches, all(alike, 1)));
  const auto both = all(Triples{path, words, {.batch = 64, .lengths = {.tokens = 200, .alike = true}}}, 0);
  CHECK(queries(words, both) == queries(words, batches));
  for (const Batch& b : both) CHECK(ids(b) <= 200);
}

TEST_CASE("equal texts are one, and known positives are flagged") {
  Scratch s;
  const WordPiece words{s.write("vocab.txt", vocabulary)};
  const Triples t{s.write("t.tsv", "q1\tp1\tn1\tn2\nq1\tp2\tn1\nq2\tp1\nq3\tp3\tp1\n"), words, {.batch = 4}};
  const Batch b = t.epoch(0).batch(0);
  CHECK(b.queries.count() == 4);
  CHECK(b.passages.count() == 5);
  std::multiset<std::string> flagged;
  for (auto [q, p] : b.also_relevant) flagged.insert(text(words, b.queries.sequence(q)) + " " + text(words, b.passages.sequence(p)));
  CHECK(flagged == std::multiset<std::string>{"q1 p1", "q1 p2"});
}

TEST_CASE("long texts are cut and counted") {
  Scratch s;
  const WordPiece words{s.write("vocab.txt", vocabulary)};
  const Triples t{s.write("t.tsv", "q q q q q\tp p p p p\tn\n"), words, {.query_length = 5, .passage_length = 7}};
  const Batch b = t.epoch(0).batch(0);
  CHECK(b.truncated == 1);
  CHECK(b.queries.length(0) == 5);
  CHECK(b.passages.length(0) == 7);
}

TEST_CASE("lines and options of another form") {
  Scratch s;
  const WordPiece words{s.write("vocab.txt", vocabulary)};
  const auto of = [&](std::string_view lines, const TripleOptions& o = {}) {
    return complaint([&] { Triples{s.write("t.tsv", lines), words, o}; });
  };
  CHECK(says(of("q1\tp1\nq2 p2\n"), {"t.tsv:2: found \"q2 p2\": expected query TAB positive [TAB negative …]"}));
  CHECK(says(of(""), {"t.tsv has no line"}));
  CHECK(says(of("q\tp\n", {.batch = 0}), {"batch = 0"}));
  CHECK(says(of("q\tp\n", {.query_length = 2}), {"a text of at most 2 ids"}));
  CHECK(Triples{s.write("e.tsv", "q\t\n\tp\n"), words}.empty() == 2);
}

TEST_CASE("a corpus is read from first to last, as often as asked") {
  Scratch s;
  s.write("c.tsv.gz", "d1\tone\nd2\t\nd3\tthree\n");
  s.write("c.jsonl", "{\"_id\": \"1\", \"title\": \"a\", \"text\": \"b\"}\n\n{\"_id\": \"2\", \"text\": \"c\"}\n");
  const auto all = [](const Corpus& c) {
    std::vector<std::string> out;
    for (std::string_view passage : c) out.emplace_back(passage);
    return out;
  };
  const Corpus c{s.path("c.tsv.gz")};
  CHECK(all(c) == std::vector<std::string>{"one", "", "three"});
  CHECK(all(c).size() == 3);
  CHECK(all(Corpus{s.path("c.jsonl")}) == std::vector<std::string>{"a b", "c"});
  CHECK(all(Corpus{s.write("none.tsv", "")}).empty());
  CHECK(says(complaint([&] { all(Corpus{s.write("bad.tsv", "d1\tx\ny\n")}); }), {"bad.tsv:2: found \"y\": expected id TAB text"}));
}

TEST_CASE("queries with the rows that are relevant") {
  Scratch s;
  const Queries q{s.write("dev.tsv", "q1\tfirst one\t3\nq2\t\t10,2,0\r\n")};
  CHECK(q.count() == 2);
  CHECK(q[1].relevant == std::vector<Index>{0, 2, 10});
  std::string texts;
  for (const auto& query : q) texts += query.id + "=" + query.text + ";";
  CHECK(texts == "q1=first one;q2=;");
  const auto of = [&](std::string_view lines) { return complaint([&] { Queries{s.write("d.tsv", lines)}; }); };
  CHECK(says(of("q1\tx\n"), {"d.tsv:1: found \"q1\tx\": expected id TAB text TAB row[,row…]"}));
  CHECK(says(of("q1\tx\t\n"), {"d.tsv:1: ", "Rows are whole numbers from 0"}));
  CHECK(says(of("q1\tx\t1,-2\n"), {"Rows are whole numbers from 0"}));
  CHECK(says(of("q1\tx\t1,1\n"), {"Each row is named once"}));
  CHECK(says(of("q1\tx\t1\nq1\ty\t2\n"), {"d.tsv:2: the id \"q1\" was used before"}));
}
