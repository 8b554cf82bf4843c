// What a bi-encoder says: scores, single texts, its complaint without a tokenizer. (Gradients: bi_encoder.cpp.)
#include "batches.hpp"
#include "towpath/peft/lora.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
using Env = Cpu<float>;
template <class Pooling, class Similarity>
using Retriever = BiEncoder<SmallBert<LoRA<2>>, Pooling, Similarity>;

template <class Pooling, class Similarity>
void scores_are_products_of_encodings() {
  using Net = typename Retriever<Pooling, Similarity>::template On<Env>;
  Env env{{.threads = 1}};
  Net model{env};
  randomise(model, 1);
  const Batch b = some_batch({2, 1, 4}, {3, 1, 5, 2});
  typename Net::template Saved<Infer> saved;
  const Scores<Env> s = model.forward(env, b, saved);
  const Tensor<Env> q = model.encode(env, b.queries), p = model.encode(env, b.passages);
  REQUIRE((q.rows() == 3 && p.rows() == 4 && q.columns() == Small::hidden));
  CHECK(std::equal(s.positive.begin(), s.positive.end(), b.positive.begin(), b.positive.end()));
  CHECK(s.env == &env);
  for (Index i = 0; i < 3; ++i)
    for (Index j = 0; j < 4; ++j) {
      double dot = 0;
      for (Index c = 0; c < Small::hidden; ++c) dot += double(q.view().row(i)[c]) * double(p.view().row(j)[c]);
      CHECK(s.values.view().row(i)[j] == doctest::Approx(dot).epsilon(1e-5));
      if (Similarity::normalises) CHECK(std::fabs(dot) < 1 + 1e-6);
    }
}
}  // namespace

TEST_CASE("scores are the products of what encode gives") {
  scores_are_products_of_encodings<MeanPooling, Cosine>();
  scores_are_products_of_encodings<ClsPooling, Dot>();
}

TEST_CASE("encode(text) without a tokenizer says so, and what to do") {
  Env env{{.threads = 1}};
  Retriever<MeanPooling, Cosine>::On<Env> model{env};
  randomise(model, 1);
  std::string said;
  try {
    model.encode(env, "a text");
  } catch (const Error& e) {
    said = e.what();
  }
  CHECK(said == "this model cannot encode a text: it has no tokenizer. Load the weights from a folder that holds vocab.txt, or set "
                "model.tokenizer = std::make_shared<WordPiece>(\"vocab.txt\")");
}

TEST_CASE("its names are its encoder's, its facts too") {
  using R = Retriever<MeanPooling, Cosine>;
  CHECK(names_of<R>(true) == names_of<SmallBert<LoRA<2>>>(true));
  static_assert(R::trains && R::hidden == Small::hidden && !receives_gradient<R, Embeddings>);
  static_assert(parameters<R>().total == parameters<SmallBert<LoRA<2>>>().total);
  static_assert(!BiEncoder<SmallBert<>, MeanPooling, Dot>::trains);
}

TEST_CASE("a model knows the environment it was made for and starts from its seed") {
  Env one{{.threads = 1, .seed = 1}}, two{{.threads = 1, .seed = 2}};
  Retriever<MeanPooling, Cosine>::On<Env> a{one}, b{one}, c{two};
  CHECK(&a.environment() == &one);
  CHECK(same_bits(*trained_leaves(a)[0].owned, *trained_leaves(b)[0].owned));
  CHECK(!same_bits(*trained_leaves(a)[0].owned, *trained_leaves(c)[0].owned));
}
