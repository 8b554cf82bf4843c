#include "towpath/train/evaluate.hpp"

#include "small.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace small;

TEST_CASE("encoding many texts gives each its own row, whatever the batches") {
  write_files();
  Env env({.threads = 1});
  Model model(env);
  set(model);
  const WordPiece words("vocab.txt");
  Pieces texts;
  for (int i = 0; i < 37; ++i) {
    std::string text;
    for (int k = 0; k <= i % 9; ++k) text += word((i * 5 + k) % 40) + " ";
    texts.add(words.pieces(text));
  }
  texts.add({});
  EncodeTally tally;
  const auto all = encode_all(model, env, words, texts, {.max_length = 8, .batch_tokens = 40}, &tally);
  const auto one = encode_all(model, env, words, texts, {.max_length = 8, .batch_tokens = 1});
  REQUIRE(all.rows() == 38);
  for (Index ahead : {0, 1, 9}) {    // made beside the computing or not: the same bits
    EncodeTally again;
    const auto same = encode_all(model, env, words, texts, {.max_length = 8, .batch_tokens = 40, .ahead = ahead}, &again);
    CHECK(std::equal(all.data(), all.data() + all.size(), same.data()));
    CHECK(again.tokens == tally.tokens);
  }
  CHECK(tally.truncated == 12);  // seven, eight and nine words with [CLS] and [SEP] around them: three of each nine texts
  for (Index i = 0; i < all.size(); ++i) CHECK(std::fabs(all.data()[i] - one.data()[i]) < 1e-5f);
}

TEST_CASE("retrieval over a collection finds what is identical first") {
  write_files();
  Env env({.threads = 1});
  Model model(env);
  set(model);
  Collection c;
  for (int i = 0; i < 20; ++i) c.documents.add("d" + std::to_string(i), word(i) + " " + word(i + 3));
  Qrels qrels;
  for (int i = 0; i < 6; ++i) {
    c.queries.add("q" + std::to_string(i), word(i) + " " + word(i + 3));
    qrels.of.push_back(i == 4 ? std::vector<Judged>{} : std::vector<Judged>{{i, 1}});
  }
  Retrieval<Env> retrieval(c, WordPiece("vocab.txt"), {.query_length = 8, .document_length = 8, .depth = 5});
  retrieval.index(model, env);
  const Run run = retrieval.search(model, env, qrels);
  CHECK(run.ranked == 5);  // q4 has no judgement
  CHECK(run.of[4].empty());
  CHECK(run.of[2].size() == 5);
  CHECK(run.of[2][0].document == 2);
  const Evaluation e = retrieval.evaluate(run, qrels, {measure::mrr(10)});
  CHECK(e.mean(measure::mrr(10)) == doctest::Approx(1.0));

  // among some documents only, with the rows of the collection
  Retrieval<Env> among(c, WordPiece("vocab.txt"), {.query_length = 8, .document_length = 8, .depth = 5, .documents = {1, 2, 19}});
  among.index(model, env);
  const Run few = among.search(model, env, qrels);
  REQUIRE(few.of[2].size() == 3);
  CHECK(few.of[2][0].document == 2);
  for (const Candidate& d : few.of[2]) CHECK((d.document == 1 || d.document == 2 || d.document == 19));
}
