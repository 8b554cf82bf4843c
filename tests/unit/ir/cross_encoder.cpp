#include "towpath/ir/cross_encoder.hpp"

#include "batches.hpp"
#include "towpath/io/checkpoint.hpp"
#include "towpath/loss/cross_entropy.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"

#include <cmath>
#include <cstdio>
#include <doctest/doctest.h>
#include <fstream>
#include <vector>

using namespace towpath;

namespace {
using Encoder = SmallBert<LoRA<2>, Adapter<2>>;
using Reranker = CrossEncoder<Encoder, ClsPooling>;

PairBatch pairs(const std::vector<Index>& lengths, std::vector<Index> groups, std::uint64_t seed = 1) {
  const Ragged drawn = some_tokens(lengths, seed);
  PairBatch b;
  for (Index s = 0; s < drawn.count(); ++s) {
    std::vector<std::int32_t> types(static_cast<std::size_t>(drawn.length(s)), 0);
    for (std::size_t t = types.size() / 2; t < types.size(); ++t) types[t] = 1;
    b.pairs.add(drawn.sequence(s), types);
  }
  b.groups = std::move(groups);
  return b;
}
PairBatch three() { return pairs({3, 5, 1, 12, 2, 4, 7}, {0, 3, 5, 7}); }
constexpr GroupCrossEntropy loss{.temperature = 0.7};

template <class Model>
std::vector<double> scores_of(const Model& model, typename Model::Environment& env, const Ragged& tokens) {
  const auto s = model.score(env, tokens);
  return {s.data(), s.data() + s.size()};
}
}  // namespace

TEST_CASE("gradients of the whole: encoder, pooler, head, loss") {
  CHECK(worst_through<Reranker>(loss, three()) < gradient_tolerance);
  CHECK(worst_through<CrossEncoder<Encoder, MeanPooling>>(loss, three()) < gradient_tolerance);
  CHECK(worst_through<CrossEncoder<Encoder, MaxPooling>>(loss, three()) < gradient_tolerance);
  CHECK(worst_through<Reranker>(loss, three(), 0.2f) < gradient_tolerance);
  CHECK(worst_through<Reranker>(loss, pairs({1, 1}, {0, 2})) < gradient_tolerance);
}
TEST_CASE("gradients where everything trains, and where the head alone does") {
  using Tuned = CrossEncoder<Bert<Small, SmallStack<FullTuning>, FullTuning, Pathway<Aside<2>>>, ClsPooling>;
  CHECK(worst_through<Tuned>(loss, three()) < gradient_tolerance);
  CHECK(worst_through<CrossEncoder<SmallBert<>, ClsPooling>>(loss, three(), 0.2f) < gradient_tolerance);
  CHECK(worst_through<CrossEncoder<Freeze<Encoder>, MeanPooling>>(loss, three()) < gradient_tolerance);
  CHECK(worst_through<CrossEncoder<Freeze<Encoder>, ClsPooling>>(loss, three()) < gradient_tolerance);
}

TEST_CASE("pooler and head have BERT's names, train and are counted") {
  const Names head{"pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias"};
  CHECK(names_of<CrossEncoder<SmallBert<>, ClsPooling>>() == head);
  CHECK(names_of<CrossEncoder<Freeze<Encoder>, ClsPooling>>() == head);
  constexpr Index more = 12 * 12 + 12 + 12 + 1;
  static_assert(parameters<Reranker>().trainable == parameters<Encoder>().trainable + more);
  static_assert(parameters<Reranker>().total == parameters<Encoder>().total + more);
  static_assert(!receives_gradient<Reranker, Embeddings>);
  // Freeze: nothing trains, all is there
  static_assert(parameters<Freeze<Reranker>>().trainable == 0 && !Freeze<Reranker>::trains);
  static_assert(parameters<Freeze<Reranker>>().total == parameters<Reranker>().total);
}

TEST_CASE("a score is that of training without dropout, whatever else is scored beside it; segments count") {
  using Env = Cpu<double>;
  Env env{{.threads = 2, .dropout = 0.3f}};
  Reranker::On<Env> model{env};
  randomise(model, 11);
  const PairBatch b = three();
  const auto all = scores_of(model, env, b.pairs);
  Env dry{{.threads = 1}};
  Reranker::On<Env>::Saved<Learn<false>> saved;
  const auto trained = model.forward(dry, b, saved);
  REQUIRE((trained.values.rows() == 7 && trained.values.columns() == 1));
  CHECK(trained.groups.size() == 4);
  Freeze<Reranker>::On<Env> frozen{env};
  randomise(frozen, 11);
  for (Index s = 0; s < 7; ++s) {
    Ragged one;
    one.add(b.pairs.sequence(s), {b.pairs.types.data() + b.pairs.begin(s), static_cast<std::size_t>(b.pairs.length(s))});
    const double alone = scores_of(model, env, one)[0];
    CHECK(alone == doctest::Approx(all[static_cast<std::size_t>(s)]).epsilon(1e-12));
    CHECK(alone == doctest::Approx(trained.values.data()[s]).epsilon(1e-12));
    CHECK(alone == doctest::Approx(scores_of(frozen, env, one)[0]).epsilon(1e-12));
    Ragged plain;
    plain.add(b.pairs.sequence(s));
    CHECK(std::fabs(scores_of(model, env, plain)[0] - alone) > 1e-6);
  }
}

TEST_CASE("the head goes with what is saved, and comes from a checkpoint that has one") {
  using Env = Cpu<float>;
  Env env{{.threads = 1, .seed = 3}};
  CrossEncoder<SmallBert<>, ClsPooling>::On<Env> whole{env};
  initialise(whole, 5, Fill::everything);
  save(whole, "cross.safetensors");
  typename SmallBert<>::On<Env> bare;
  initialise(bare, 5, Fill::everything);
  save(bare, "bare.safetensors");

  Reranker::On<Env> model{env}, other{env};
  load(model, Safetensors{"bare.safetensors"});    // no head in it: as the seed drew it
  const auto drawn = trained_leaves(model);
  REQUIRE(drawn[drawn.size() - 2].name == "classifier.weight");
  CHECK(std::fabs(drawn[drawn.size() - 2].owned->data()[0]) > 0);
  CHECK(std::fabs(drawn[drawn.size() - 2].owned->data()[0]) < 0.2f);
  load(other, Safetensors{"cross.safetensors"});
  const PairBatch b = three();
  CHECK(scores_of(other, env, b.pairs) == scores_of(whole, env, b.pairs));    // LoRA and adapters start at nothing
  CHECK(scores_of(model, env, b.pairs) != scores_of(whole, env, b.pairs));

  randomise(model, 9);
  load(model, Safetensors{"bare.safetensors"});
  save_trainable(model, "tuned.safetensors");
  const Safetensors tuned{"tuned.safetensors"};
  for (const char* name : {"pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias"}) CHECK(tuned.find(name) != nullptr);
  load(other, Safetensors{"bare.safetensors"});
  load_trainable(other, tuned);
  CHECK(scores_of(other, env, b.pairs) == scores_of(model, env, b.pairs));
}

TEST_CASE("a query and a passage as texts") {
  Cpu<float> env{{.threads = 1}};
  Reranker::On<Cpu<float>> model{env};
  initialise(model, 5, Fill::everything);
  CHECK_THROWS_WITH(model.score(env, "a", "b"), doctest::Contains("this model cannot score a text"));
  std::ofstream("vocab.txt") << "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\n";
  model.found_beside(".");
  model.pairs.max_length = 8;
  PairBatch b;
  b.pairs.add(std::vector<std::int32_t>{2, 4, 3, 5, 6, 6, 5, 3}, std::vector<std::int32_t>{0, 0, 0, 1, 1, 1, 1, 1});
  CHECK(static_cast<float>(model.score(env, "a", "b c c b b b")) == static_cast<float>(scores_of(model, env, b.pairs)[0]));
}
