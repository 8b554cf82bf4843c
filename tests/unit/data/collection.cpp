#include "towpath/data/collection.hpp"

#include "scratch.hpp"

using namespace towpath;
using V = std::vector<std::string>;

TEST_CASE("MS MARCO's layout") {
  Scratch s;
  s.write("c/collection.tsv.gz", "d1\tone\nd2\ttwo\n");
  s.write("c/queries.tsv", "q1\tfirst\nq2\t\n");
  s.write("c/qrels/train.txt", "q1 0 d2 1\n");
  s.write("c/qrels/test.txt.gz", "q2 0 d1 2\n");
  s.write("c/qrels/README", "");
  s.write("c/runs/bm25.test.trec.gz", "q2 Q0 d2 1 3.5 bm25\n");
  const Collection c = open_collection(s.path("c/"));
  CHECK(c.documents.count() == 2);
  CHECK(c.queries.empty == 1);
  CHECK(c.splits == V{"test", "train"});
  CHECK(c.runs == V{"bm25.test"});
  CHECK(c.has("test"));
  CHECK_FALSE(c.has("dev"));
  CHECK(c.qrels("train").of[0] == std::vector<Judged>{{1, 1}});
  CHECK(qrels(c, "test").of[1] == std::vector<Judged>{{0, 2}});
  CHECK(c.run("bm25.test").of[1] == std::vector<Candidate>{{1, 1, 3.5}});
  CHECK(says(complaint([&] { c.qrels("dev"); }), {"/c has no split \"dev\": there are: test, train"}));
  CHECK(says(complaint([&] { c.run("x"); }), {"has no run \"x\": there are: bm25.test"}));
  s.write("c/qrels/odd.txt", "q1 0 d2 1\nq9 0 d1 1\n");
  CHECK(says(complaint([&] { c.qrels("odd"); }), {"odd.txt names 1 id that is not in the collection: query \"q9\" (line 2)"}));
}

TEST_CASE("BEIR's layout") {
  Scratch s;
  s.write("b/corpus.jsonl", "{\"_id\": \"1\", \"title\": \"T\", \"text\": \"x\"}\n");
  s.write("b/queries.jsonl.gz", "{\"_id\": \"1\", \"text\": \"y\"}\n");
  s.write("b/qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\t1\t1\n");
  const Collection c = open_collection(s.path("b"));
  CHECK(c.documents[0] == "T x");
  CHECK(c.splits == V{"test"});
  CHECK(c.qrels("test").pairs == 1);
  CHECK(says(complaint([&] { c.run("bm25"); }), {"has no run \"bm25\": there is nothing in ", "/b/runs"}));
}

TEST_CASE("folders that hold no collection") {
  Scratch s;
  CHECK(says(complaint([&] { open_collection(s.path()); }), {"no collection in ", "neither collection.tsv nor corpus.jsonl"}));
  s.write("collection.tsv", "d\tx\n");
  CHECK(says(complaint([&] { open_collection(s.path()); }), {"no queries in ", "queries.tsv belongs beside"}));
  s.write("corpus.jsonl", "");
  CHECK(says(complaint([&] { open_collection(s.path()); }), {"two collections in "}));
}

TEST_CASE("the real collections are what their README says") {
  const auto data = real_data();
  if (data.empty()) return;
  struct {
    const char* name;
    Index documents, train, dev, test;
  } const expected[] = {{"openstax-glossary", 13161, 8812, 1061, 1117},
                        {"medquad-short", 15809, 12829, 744, 1406},
                        {"squad-dev-retrieval", 2067, 7492, 1194, 1884},
                        {"scifact", 5183, 809, 0, 300}};
  for (const auto& e : expected) {
    CAPTURE(e.name);
    const Collection c = open_collection(data + "/" + e.name);
    CHECK(c.documents.count() == e.documents);
    CHECK(c.documents.empty == 0);
    CHECK(c.qrels("train").judged == e.train);
    CHECK(c.qrels("test").judged == e.test);
    CHECK(c.has("dev") == (e.dev > 0));
    if (e.dev) CHECK(c.qrels("dev").judged == e.dev);
    const Run bm25 = c.run("bm25.test");
    CHECK(bm25.ranked <= e.test);
    CHECK(bm25.ranked > e.test * 8 / 10);
  }
}
