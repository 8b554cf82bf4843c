#include "towpath/ir/tower_pair.hpp"

#include "towpath/peft/adapter.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/ia3.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/mam.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"
#include "towpath/peft/unipelt.hpp"

#include "batches.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

using namespace towpath;

namespace {
template <class Common, class Own, class Pooling = MeanPooling>
using Two = BiEncoder<TowerPair<SmallBert<>, Common, Own>, Pooling, Cosine>;
using SemiSiamese = Two<Shared<LoRA<2, at::Query>, Prefix<2>>, PerSide<LoRA<2, at::Value>, Adapter<2>>>;

Batch some() {
  Batch b = some_batch({2, 1, 4}, {3, 1, 5, 2, 1});
  b.also_relevant = {{0, 3}, {2, 0}};
  return b;
}
struct Numbers {
  std::vector<double> scores;
  std::map<std::string, std::vector<double>> gradients;
};
template <class Arch>
Numbers numbers(const Batch& batch) {
  using Env = Cpu<double>;
  using Net = typename Arch::template On<Env>;
  Env env{{.threads = 1}};
  Net model{env};
  randomise(model, 11);
  typename Net::template Saved<Learn<false>> saved;
  typename Net::Grads grads;
  const auto s = model.forward(env, batch, saved);
  const auto l = InfoNce{.temperature = 0.2}(s);
  model.backward(env, l.gradient, batch, saved, grads);
  Numbers n{{s.values.data(), s.values.data() + s.values.size()}, {}};
  const auto leaves = trained_leaves(model);
  const auto g = tensors<Net>(grads);
  for (std::size_t i = 0; i < g.size(); ++i)
    n.gradients[leaves[i].name].assign(g[i]->data(), g[i]->data() + g[i]->size());
  return n;
}
template <class Net>
std::vector<double> vector_of(const Net& model, typename Net::Environment& env, Side side) {
  const auto v = model.encode(env, some_tokens({3, 5}), side);
  return {v.data(), v.data() + v.size()};
}
}  // namespace

TEST_CASE("gradients through both towers") {
  CHECK(worst_through_the_loss<SemiSiamese>(some(), 0.1) < gradient_tolerance);
  CHECK(worst_through_the_loss<SemiSiamese>(some(), 0.1, 0.2f) < gradient_tolerance);
  CHECK(worst_through_the_loss<Two<Shared<>, PerSide<Pathway<Aside<2>>>, ClsPooling>>(some(), 0.1) <
        gradient_tolerance);
  CHECK(worst_through_the_loss<Two<Shared<BitFit>, PerSide<Adapter<2, at::BesideFfn>, LoRA<2, at::FfnIn>>, MaxPooling>>(
            some(), 0.1) < gradient_tolerance);
  CHECK(worst_through_the_loss<Two<Shared<LoRA<2>>, PerSide<Prefix<3>>>>(some(), 0.1) < gradient_tolerance);
  CHECK(worst_through_the_loss<Two<Shared<>, PerSide<Prefix<2, Mlp<3>>>, ClsPooling>>(some(), 0.1, 0.2f) <
        gradient_tolerance);
  CHECK(worst_through_the_loss<Two<Shared<Ia3<>>, PerSide<Gated<LoRA<2>>, MAM<1, 2>>, ClsPooling>>(some(), 0.1) < gradient_tolerance);
  using Pair = TowerPair<Bert<Small, Segments<Repeat<1, TransformerLayer<Small, LoRA<2>>>,
                                              Repeat<1, Checkpoint<TransformerLayer<Small>>>>>,
                         Shared<>, PerSide<Adapter<2>>>;
  CHECK(worst_through_the_loss<BiEncoder<Pair, ClsPooling, Dot>>(some(), 8, 0.2f) < gradient_tolerance);
}

TEST_CASE("without methods per side it is a siamese encoder, to the bit") {
  const auto pair = numbers<Two<Shared<LoRA<2>, Adapter<2>>, PerSide<>>>(some());
  const auto one = numbers<BiEncoder<SmallBert<LoRA<2>, Adapter<2>>, MeanPooling, Cosine>>(some());
  CHECK(pair.scores == one.scores);
  REQUIRE(pair.gradients.size() == one.gradients.size());
  for (const auto& [name, g] : one.gradients) {
    const auto& other = pair.gradients.at(name);
    REQUIRE(other.size() == g.size());
    for (std::size_t i = 0; i < g.size(); ++i) CHECK(std::fabs(other[i] - g[i]) < 1e-12);  // two sums instead of one
  }
}

TEST_CASE("with the same values on both sides, the gradients of a method per side add up to that of one shared") {
  using Env = Cpu<double>;
  using Apart = Two<Shared<>, PerSide<LoRA<2>>>;
  using Net = Apart::On<Env>;
  Env env{{.threads = 1}};
  Net model{env};
  randomise(model, 11);
  BiEncoder<SmallBert<LoRA<2>>, MeanPooling, Cosine>::On<Env> one{env};
  randomise(one, 11);
  std::map<std::string, Tensor<Env>*> of;
  for (const auto& leaf : trained_leaves(one)) of[leaf.name] = leaf.owned;
  const auto shared_name = [](const std::string& name) { return name.substr(name.find('.') + 1); };
  for (auto& leaf : trained_leaves(model)) *leaf.owned = of.at(shared_name(leaf.name))->copy();
  Net::Saved<Learn<false>> saved;
  Net::Grads grads;
  const Batch batch = some();
  const auto s = model.forward(env, batch, saved);
  model.backward(env, InfoNce{.temperature = 0.2}(s).gradient, batch, saved, grads);
  std::map<std::string, std::vector<double>> sums;
  const auto leaves = trained_leaves(model);
  const auto g = tensors<Net>(grads);
  for (std::size_t i = 0; i < g.size(); ++i) {
    auto& sum = sums[shared_name(leaves[i].name)];
    sum.resize(static_cast<std::size_t>(g[i]->size()));
    for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += g[i]->data()[k];
  }
  const auto right = numbers<BiEncoder<SmallBert<LoRA<2>>, MeanPooling, Cosine>>(batch);
  CHECK(std::equal(right.scores.begin(), right.scores.end(), s.values.data()));
  REQUIRE(sums.size() == right.gradients.size());
  for (const auto& [name, expected] : right.gradients)
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(std::fabs(sums.at(name)[i] - expected[i]) < 1e-12);
}

TEST_CASE("names and counts; a query's parameters leave passages alone") {
  const auto names = names_of<SemiSiamese>();
  const auto has = [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  CHECK(has("encoder.layer.1.attention.self.query.lora_A.weight"));
  CHECK(has("encoder.layer.0.attention.self.prefix_key"));
  CHECK(has("query.encoder.layer.0.attention.self.value.lora_B.weight"));
  CHECK(has("passage.encoder.layer.0.attention.self.value.lora_B.weight"));
  CHECK_FALSE(has("encoder.layer.0.attention.self.value.lora_B.weight"));
  // SS-LoRA on BERT-base, as the paper's code has it
  using Base = Bert<BertBase, Repeat<12, TransformerLayer<BertBase>>>;
  static_assert(parameters<TowerPair<Base, Shared<LoRA<16, at::Query>>, PerSide<LoRA<16, at::Value>>>>().trainable ==
                884'736);
  static_assert(parameters<TowerPair<Base, Shared<LoRA<16>>, PerSide<>>>().trainable == 589'824);
  static_assert(parameters<TowerPair<Base, Shared<LoRA<16, at::Query>>, PerSide<LoRA<16, at::Value>>>>().total -
                    884'736 ==
                parameters<Base>().total);

  static_assert(parameters<TowerPair<Base, Shared<>, PerSide<Prefix<10>>>>().trainable == 368'640);

  using Env = Cpu<double>;
  Env env{{.threads = 1}};
  SemiSiamese::On<Env> model{env};
  randomise(model, 11);
  const auto query = vector_of(model, env, Side::query), passage = vector_of(model, env, Side::passage);
  CHECK(query != passage);
  for (auto& leaf : trained_leaves(model))
    if (leaf.name.starts_with("query.")) leaf.owned->data()[0] += 1;
  CHECK(vector_of(model, env, Side::passage) == passage);
  CHECK(vector_of(model, env, Side::query) != query);
  for (auto& leaf : trained_leaves(model))
    if (leaf.name.ends_with("self.query.lora_A.weight")) leaf.owned->data()[0] += 1;
  CHECK(vector_of(model, env, Side::passage) != passage);
  // With one tower nobody has to say which side it is; with two, everybody.
  using One = BiEncoder<SmallBert<LoRA<2>>, MeanPooling, Cosine>::On<Env>;
  const auto without_a_side = [](const auto& m) {
    return requires(Env & e, const Ragged& r) { m.encode(e, r); };
  };
  One one{env};
  CHECK(without_a_side(one));
  CHECK_FALSE(without_a_side(model));
}
