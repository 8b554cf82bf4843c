#include "towpath/data/trec.hpp"

#include "scratch.hpp"

using namespace towpath;

namespace {
Ids ids(std::initializer_list<std::string_view> names) {
  Ids out;
  for (auto n : names) out.add(n);
  return out;
}
}  // namespace

TEST_CASE("judgements in both forms") {
  Scratch s;
  const Ids queries = ids({"q1", "q2", "q3"}), documents = ids({"d0", "d1", "d2"});
  const std::string trec = "q1 0 d2 1\nq1\tQ0\td0  3\r\n\nq3 0 d1 0\nq3 0 d0 -2\n";
  const std::string beir = "query-id\tcorpus-id\tscore\nq1\td2\t1\nq1\td0\t3\nq3\td1\t0\nq3\td0\t-2\n";
  for (const auto& path : {s.write("a.txt", trec), s.write("a.txt.gz", trec), s.write("b.tsv", beir), s.write("b.tsv.gz", beir)}) {
    const Qrels q = read_qrels(path, queries, documents);
    CHECK(q.path == path);
    REQUIRE(q.of.size() == 3);
    CHECK(q.of[0] == std::vector<Judged>{{0, 3}, {2, 1}});
    CHECK(q.of[1].empty());
    CHECK(q.of[2] == std::vector<Judged>{{0, -2}, {1, 0}});
    CHECK(q.judged == 2);
    CHECK(q.pairs == 4);
    CHECK(q.relevant(0) == std::vector<Index>{0, 2});
    CHECK(q.relevant(0, 2) == std::vector<Index>{0});
    CHECK(q.relevant(2).empty());

    const auto alone = read_qrels(path);
    CHECK(alone.queries.count() == 2);
    CHECK(alone.documents[0] == "d2");
    CHECK(alone.rows.of[1].size() == 2);
  }
}

TEST_CASE("judgements of another form") {
  Scratch s;
  const auto of = [&](std::string_view text) { return complaint([&] { read_qrels(s.write("q.txt", text)); }); };
  CHECK(says(of("q 0 d 1\nq 0 d\n"), {"q.txt:2: found \"q 0 d\": expected query 0 document grade", "query-id TAB corpus-id"}));
  CHECK(says(of("q 0 d one\n"), {"q.txt:1: ", "expected query 0 document grade"}));
  CHECK(says(of("q 0 d 1.5\n"), {"q.txt:1: "}));
  CHECK(says(of("query-id\tcorpus-id\tscore\nq\td\t1\t2\n"), {"q.txt:2: ", "as the header says"}));
  CHECK(says(of("q 0 d 1\np 0 d 1\nq 0 d 0\n"), {"q.txt: query \"q\" has document \"d\" twice"}));
  const Ids queries = ids({"q"}), documents = ids({"d"});
  const auto path = s.write("u.txt", "q 0 d 1\nq 0 e 1\nr 0 d 1\nr 0 f 1\n");
  CHECK(complaint([&] { read_qrels(path, queries, documents); }) ==
        path + " names 4 ids that are not in the collection: document \"e\" (line 2), query \"r\" (line 3), query \"r\" (line 4), …. "
               "Take the qrels, the run and the collection from one release");
}

TEST_CASE("runs") {
  Scratch s;
  const std::string text = "q1 Q0 d2 1 9.5 bm25\nq1 Q0 d0 2 1e-3 bm25\nq2 Q0 d0 1 -7 bm25\n";
  const Ids queries = ids({"q0", "q1", "q2"}), documents = ids({"d0", "d1", "d2"});
  for (const auto& path : {s.write("r.trec", text), s.write("r.trec.gz", text)}) {
    const Run r = read_run(path, queries, documents);
    CHECK(r.tag == "bm25");
    CHECK(r.of[0].empty());
    CHECK(r.of[1] == std::vector<Candidate>{{2, 1, 9.5}, {0, 2, 1e-3}});
    CHECK(r.of[2] == std::vector<Candidate>{{0, 1, -7}});
    CHECK(r.ranked == 2);
    CHECK(r.pairs == 3);
    CHECK(read_run(path).rows.of[0][1].score == 1e-3);
  }
  const auto of = [&](std::string_view line) { return complaint([&] { read_run(s.write("x", line)); }); };
  CHECK(says(of("q Q0 d 1 2\n"), {"/x:1: ", "expected query Q0 document rank score tag"}));
  CHECK(says(of("q Q0 d 1 nan t\n"), {"/x:1: ", "a finite one"}));
  CHECK(says(of("q Q0 d 1 1e999 t\n"), {"/x:1: "}));
  CHECK(says(of("q Q0 d one 2 t\n"), {"/x:1: "}));
  CHECK(says(of("q Q0 d 1 2 t\nq Q0 d 2 1 t\n"), {"query \"q\" has document \"d\" twice"}));
}

TEST_CASE("rankings that state ranks alone, and remarks") {
  Scratch s;
  const auto ranks = read_ranks(s.write("ranks.tsv", "7\t12\t1\n# a remark\n\n7\t13\t2\n8\t-\t-3\n"));
  REQUIRE(ranks.size() == 3);
  CHECK(ranks[1].query == "7");
  CHECK(ranks[1].document == "13");
  CHECK(ranks[2].rank == -3);
  const auto run = s.write("run.trec", "# a remark\nq Q0 d 4 0.5 tag\n"), qrels = s.write("qrels.txt", "# a remark\nq 0 d 1\n");
  CHECK(read_ranks(run).at(0).document == "d");
  CHECK(read_ranks(run).at(0).rank == 4);
  CHECK(read_run(run).rows.pairs == 1);
  CHECK(read_qrels(qrels).rows.pairs == 1);
  CHECK(says(complaint([&] { read_ranks(qrels); }), {"qrels.txt:2: found \"q 0 d 1\": expected query document rank"}));
}

TEST_CASE("a run that was written is read back in its order") {
  Scratch s;
  const auto path = s.path("out.trec");
  const float close = 0.9f;
  const float closer = std::nextafter(close, 0.0f);
  {
    RunFile run{path, "towpath"};
    run.add("q1", "z", close);
    run.add("q1", "a", closer);
    run.add("q1", "b", closer);
    run.add("q2", "a", 1.0 / 3);
    run.add("q2", "z", std::nextafter(1.0 / 3, 0.0));
    CHECK(Scratch::read(path) == "(no file)");
    run.commit();
  }
  CHECK(Scratch::read(path).starts_with("q1 Q0 z 1 0.9 towpath\nq1 Q0 a 2 0.89999"));
  const auto r = read_run(path);
  REQUIRE(r.rows.pairs == 5);
  CHECK(static_cast<float>(r.rows.of[0][0].score) == close);
  CHECK(static_cast<float>(r.rows.of[0][1].score) == closer);
  CHECK(r.rows.of[0][1].score == r.rows.of[0][2].score);
  CHECK(r.rows.of[1][0].score == 1.0 / 3);
  CHECK(r.rows.of[1][0].score > r.rows.of[1][1].score);
  CHECK(r.rows.of[1][1].rank == 2);
}

TEST_CASE("what a run cannot hold") {
  Scratch s;
  RunFile run{s.path("out.trec")};
  run.add("q1", "a", 1.0);
  CHECK(says(complaint([&] { run.add("q1", "b", 2.0); }), {"document \"b\" scores above the one before it", "falling score"}));
  CHECK(says(complaint([&] { run.add("q1", "b", std::nan("")); }), {"not finite"}));
  CHECK(says(complaint([&] { run.add("q1", "b c", 0.5); }), {"the document \"b c\" cannot be written", "white space"}));
  CHECK(says(complaint([&] { run.add("", "b", 0.5); }), {"the query \"\" cannot be written"}));
  run.add("q2", "a", 1.0);
  CHECK(says(complaint([&] { run.add("q1", "c", 0.5); }), {"query \"q1\" came back after another"}));
  CHECK(says(complaint([&] { RunFile(s.path("b"), "a tag"); }), {"the tag \"a tag\""}));
}

TEST_CASE("NIST's judgements of TREC DL") {
  const auto data = real_data();
  if (data.empty()) return;
  const auto dl19 = read_qrels(data + "/trec-dl-qrels/qrels.dl19-passage.txt");
  CHECK(dl19.rows.judged == 43);
  CHECK(dl19.rows.pairs == 9260);
  const auto dl20 = read_qrels(data + "/trec-dl-qrels/qrels.dl20-passage.txt");
  CHECK(dl20.rows.judged == 54);
  CHECK(dl20.rows.pairs == 11386);
}
