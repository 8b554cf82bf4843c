#include "towpath/model/mlm_head.hpp"

#include "towpath/autodiff/check.hpp"
#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace towpath;

namespace {

struct Shape : BertBase {
  static constexpr std::string_view name = "Small";
  static constexpr Index hidden = 8, layers = 1, heads = 2, ffn = 16, vocabulary = 20, positions = 12;
};
using Env = Cpu<double>;

// Every entry of a few parameters of the whole, head and encoder, against central differences of the cross-entropy.
template <class Encoder>
double worst_error() {
  using Model = typename MaskedLanguageModel<Encoder>::template On<Env>;
  Env env({.threads = 1});
  Model model;
  initialise(model, 3, Fill::everything);
  Random random(5, 6);
  for (auto& leaf : leaves(model))
    if (leaf.owned)
      for (Index i = 0; i < leaf.size(); ++i) leaf.owned->data()[i] += 0.3 * random.normal();
  Ragged tokens;
  tokens.add(std::vector<std::int32_t>{2, 7, 9, 3});
  tokens.add(std::vector<std::int32_t>{2, 3});
  tokens.add(std::vector<std::int32_t>{2, 11, 5, 9, 8, 3});
  const std::vector<std::int32_t> rows{1, 2, 8};
  const std::vector<Index> labels{7, 10, 19};
  typename Model::template Saved<Learn<false>> saved;
  typename Model::Grads grads;
  const auto value = [&](Tensor<Env>& d) {
    const auto logits = model.forward(env, tokens, rows, saved);
    return op::cross_entropy<Env>(env, logits, labels, {}, 1.0, d);
  };
  Tensor<Env> dlogits, none;
  value(dlogits);
  model.backward(env, dlogits, tokens, rows, saved, grads);
  const auto weights = trained_leaves(model);
  const auto exact = tensors<Model>(grads);
  double worst = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    double norm = 1e-4;  // a difference quotient knows no more than about 1e-11
    for (Index k = 0; k < exact[i]->size(); ++k) norm = std::max(norm, std::fabs(exact[i]->data()[k]));
    for (int probe = 0; probe < 4; ++probe) {
      double& w = weights[i].owned->data()[random.below(static_cast<std::uint64_t>(weights[i].size()))];
      const double g = exact[i]->data()[&w - weights[i].owned->data()], kept = w, h = 1e-5;
      w = kept + h;
      const double up = value(none);
      w = kept - h;
      const double down = value(none);
      w = kept;
      worst = std::max(worst, std::fabs((up - down) / (2 * h) - g) / norm);
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("gradients of the masked language model, embeddings tied, frozen or trained") {
  CHECK(worst_error<Bert<Shape, Repeat<1, TransformerLayer<Shape, FullTuning>>, FullTuning>>() < 1e-6);
  CHECK(worst_error<Bert<Shape, Repeat<1, TransformerLayer<Shape, LoRA<2>>>>>() < 1e-6);
  CHECK(worst_error<Bert<Shape, Repeat<1, TransformerLayer<Shape>>>>() < 1e-6);
}

TEST_CASE("its names are Hugging Face's") {
  std::vector<std::string> names;
  using Model = MaskedLanguageModel<Bert<Shape, Repeat<1, TransformerLayer<Shape>>>>::On<Env>;
  for (const auto& leaf : trained_leaves(Model{})) names.push_back(leaf.name);
  CHECK(names == std::vector<std::string>{"cls.predictions.transform.dense.weight", "cls.predictions.transform.dense.bias",
                                          "cls.predictions.transform.LayerNorm.weight", "cls.predictions.transform.LayerNorm.bias", "cls.predictions.bias"});
}
