#include "towpath/data/sampler.hpp"

#include "scratch.hpp"

#include <set>
#include <thread>

using namespace towpath;

namespace {

struct Small {
  Scratch s{};
  Collection c{};
  WordPiece words;

  Small() : words(s.write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\nq\nd\n##0\n##1\n##2\n##3\n##4\n##5\n##6\n##7\n##8\n##9\n")) {
    std::string documents, queries, qrels, run;
    for (int i = 0; i < 60; ++i) documents += "D" + std::to_string(i) + "\td" + std::to_string(i) + "\n";
    documents += "copy\td0\n";    // the text of D0
    for (int i = 0; i < 20; ++i) {
      const std::string q = "Q" + std::to_string(i);
      queries += q + "\tq" + std::to_string(i) + "\n";
      qrels += q + " 0 D" + std::to_string(i) + " " + (i < 18 ? "1" : "0") + "\n";
      if (i < 5) qrels += q + " 0 D" + std::to_string(i + 20) + " 2\n";
      for (int k = 0; k < 8; ++k)
        run += q + " Q0 D" + std::to_string((i + k) % 60) + " " + std::to_string(k + 1) + " " + std::to_string(10 - k) + " bm25\n";
    }
    run += "Q0 Q0 copy 9 1 bm25\n";
    s.write("c/collection.tsv", documents);
    s.write("c/queries.tsv", queries + "unjudged\tq99\n");
    s.write("c/qrels/train.txt", qrels);
    s.write("c/runs/bm25.trec", run);
    c = open_collection(s.path("c"));
  }
};

}  // namespace

TEST_CASE("an epoch has every query with a relevant document once") {
  const Small m;
  const Qrels qrels = m.c.qrels("train");
  const Run run = m.c.run("bm25");
  const Sampler sampler{m.c, qrels, run, m.words, {.batch = 4, .negatives = 3}};
  CHECK(sampler.count() == 18);
  CHECK(sampler.skipped() == 2);
  CHECK(sampler.epoch(0).count() == 5);

  std::set<Index> seen;
  std::set<std::vector<Index>> drawn;
  for (Index epoch = 0; epoch < 20; ++epoch)
    for (Index i = 0; i < 5; ++i)
      for (const Example& e : sampler.epoch(epoch).examples(i)) {
        if (epoch == 0) CHECK(seen.insert(e.query).second);
        const auto& relevant = sampler.texts().relevant[static_cast<std::size_t>(e.query)];
        CHECK(std::binary_search(relevant.begin(), relevant.end(), e.positive));
        CHECK(e.negatives.size() == 3);
        CHECK(std::set<Index>(e.negatives.begin(), e.negatives.end()).size() == 3);
        for (Index n : e.negatives) CHECK_FALSE(std::binary_search(relevant.begin(), relevant.end(), n));
        if (sampler.query(e.query) == 0) drawn.insert({e.positive, e.negatives[0]});
      }
  CHECK(seen.size() == 18);
  CHECK(drawn.size() > 5);                                            // positives and negatives change from epoch to epoch
  CHECK(sampler.texts().relevant[0].size() == 2);
  CHECK(sampler.texts().passages.count() == 25);                      // D0 … D24 can occur; "copy" is D0
}

TEST_CASE("batches do not depend on one another, on other queries or on the thread") {
  const Small m;
  const Qrels qrels = m.c.qrels("train");
  const Run run = m.c.run("bm25");
  const SamplerOptions options{.batch = 4, .negatives = 2};
  const Sampler a{m.c, qrels, run, m.words, options}, b{m.c, qrels, run, m.words, options};
  std::vector<Batch> forward;
  for (const Batch& batch : a.epoch(2)) forward.push_back(batch);
  REQUIRE(forward.size() == 5);
  CHECK(forward.back().queries.count() == 2);
  std::vector<Batch> alone(5);
  std::vector<std::thread> threads;
  for (Index i = 4; i >= 0; --i) threads.emplace_back([&, i] { alone[static_cast<std::size_t>(i)] = b.epoch(2).batch(i); });
  for (auto& t : threads) t.join();
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(alone[i].queries.ids == forward[i].queries.ids);
    CHECK(alone[i].passages.ids == forward[i].passages.ids);
    CHECK(alone[i].positive == forward[i].positive);
    CHECK(alone[i].also_relevant == forward[i].also_relevant);
  }
  CHECK(a.epoch(3).batch(0).queries.ids != forward[0].queries.ids);

  const Sampler strict{m.c, qrels, run, m.words, {.batch = 4, .negatives = 2, .relevant_from = 2}};
  CHECK(strict.count() == 5);
  CHECK(strict.skipped() == 15);
}

TEST_CASE("lengths are those of what the epoch drew") {
  const Small m;
  const Qrels qrels = m.c.qrels("train");
  const Run run = m.c.run("bm25");
  const Sampler sampler{m.c, qrels, run, m.words, {.batch = 8, .negatives = 2, .lengths = {.tokens = 40}, .threads = 2}};
  const Sampler plain{m.c, qrels, run, m.words, {.batch = 8, .negatives = 2, .threads = 1}};
  CHECK(sampler.texts().passages.ids == plain.texts().passages.ids);
  for (Index e = 0; e < 3; ++e) {
    const auto epoch = sampler.epoch(e);
    std::vector<Index> in_order, expected;
    for (Index i = 0; i < epoch.count(); ++i) {
      Index ids = 0;
      for (const Example& x : epoch.examples(i)) {
        ids += sampler.texts().tokens(x);
        in_order.push_back(x.query);
      }
      CHECK(ids <= 40);
      const Batch b = epoch.batch(i);
      CHECK(b.queries.tokens() + b.passages.tokens() <= ids);
      if (b.queries.count() == 1) CHECK(b.queries.tokens() + b.passages.tokens() == ids);
    }
    for (Index i = 0; i < plain.epoch(e).count(); ++i)
      for (const Example& x : plain.epoch(e).examples(i)) expected.push_back(x.query);
    CHECK(in_order == expected);
  }
}

TEST_CASE("candidates by place, and fewer where there are fewer") {
  const Small m;
  const Qrels qrels = m.c.qrels("train");
  const Run run = m.c.run("bm25");
  const Sampler top{m.c, qrels, run, m.words, {.negatives = 5, .skip = 2, .depth = 4}};    // places 3 and 4: D(i+2), D(i+3)
  for (const Example& e : top.epoch(0).examples(0)) CHECK(e.negatives.size() == 2);
  const Sampler none{m.c, qrels, m.words, {.negatives = 5}};
  for (const Example& e : none.epoch(0).examples(0)) CHECK(e.negatives.empty());
  const AsPairs groups{top, {.max_length = 16}};
  const auto pairs = groups.epoch(0).batch(0);
  CHECK(pairs.count() == 18);
  CHECK(pairs.pairs.count() == 18 * 3);
  CHECK(says(complaint([&] { Sampler{m.c, qrels, m.words, {.relevant_from = 9}}; }),
             {"train.txt have no relevant document for any query", "from grade 9"}));
}

TEST_CASE("a teacher's scores go with what is drawn, and only that is drawn") {
  const Small m;
  const Qrels qrels = m.c.qrels("train");
  Run run = m.c.run("bm25");
  std::erase_if(run.of[7], [](const Candidate& d) { return d.document == 7; });    // the teacher never saw the answer of Q7
  const Sampler taught{m.c, qrels, run, m.words, {.negatives = 3, .taught = true}};
  CHECK(taught.count() == 17);
  CHECK(taught.skipped() == 3);
  for (Index epoch = 0; epoch < 10; ++epoch)
    for (const Example& e : taught.epoch(epoch).examples(0)) {
      const Index q = taught.query(e.query);
      REQUIRE(e.teacher.size() == 4);
      CHECK(e.teacher[0] == 10.0f);    // D(q) stands first in the run, with 10; Q0's "copy" of it has less, D(q + 20) is not in the run
      const auto grade = [&](Index passage) {    // what the run of the small world says of a document
        const auto text = taught.texts().passages[passage];
        for (Index d = q; d < q + 8; ++d) {
          const auto other = m.words.pieces("d" + std::to_string(d));
          if (std::equal(text.begin(), text.end(), other.begin(), other.end())) return static_cast<float>(10 - (d - q));
        }
        return -1.0f;
      };
      for (std::size_t i = 0; i < 3; ++i) CHECK(e.teacher[i + 1] == grade(e.negatives[i]));
    }
  const AsPairs groups{taught, {.max_length = 16}};
  const PairBatch b = groups.epoch(0).batch(0);
  CHECK(b.teacher.size() == static_cast<std::size_t>(b.pairs.count()));
  CHECK(taught.epoch(4).examples(0)[2].teacher == taught.epoch(4).examples(0)[2].teacher);
  const Sampler plain{m.c, qrels, run, m.words, {.negatives = 3}};
  CHECK(plain.epoch(0).examples(0)[0].teacher.empty());
}

TEST_CASE("a real collection") {
  const auto data = real_data();
  if (data.empty()) return;
  const Collection c = open_collection(data + "/scifact");
  const Sampler s{c, c.qrels("train"), c.run("bm25.train"), WordPiece{data + "/vocab-bert-base-uncased"}, {.negatives = 4}};
  CHECK(s.count() == 809);
  Index queries = 0, cut = 0;
  for (const Batch& b : s.epoch(0)) {
    queries += b.queries.count();
    cut += b.truncated;
    for (auto [q, p] : b.also_relevant) CHECK(b.positive[static_cast<std::size_t>(q)] != p);
  }
  CHECK(queries == 809);
  CHECK(cut > 2000);    // abstracts are longer than 128 pieces
}
