#include "towpath/optim/adam.hpp"

#include "../model/small.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {

using Env = Cpu<double>;
using Arch = Bert<Small, Repeat<1, TransformerLayer<Small, BitFit, LayerNormTuning, LoRA<2>>>>;
using Net = Arch::On<Env>;

// torch.optim.AdamW, written out for one number.
struct ByHand {
  double w, m = 0, v = 0;
  void step(double g, int t, double rate, double decay, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8) {
    w -= rate * decay * w;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const double mhat = m / (1 - std::pow(beta1, t)), vhat = v / (1 - std::pow(beta2, t));
    w -= rate * mhat / (std::sqrt(vhat) + epsilon);
  }
};

}  // namespace

TEST_CASE("three steps of a number whose values were computed by hand") {
  // w = 1, g = 0.5, then -0.25, then 0: rate 0.1, decay 0.01.
  //   1: w = 1 (1 - 0.001) - 0.1 · 0.5 / (0.5 + 1e-8) = 0.899000002
  //   2: m = 0.02, v = 0.00031225; m̂ = 0.02 / 0.19, v̂ = 0.00031225 / 0.001999
  //   3: m = 0.018, v = 0.00031193775; m̂ = 0.018 / 0.271, v̂ = v / 0.002997001
  Env env{{.threads = 1}};
  Tensor<Env> w(1), g(1), m(1), v(1);
  w.data()[0] = 1;
  const Adam rule{.rate = 0.1, .decay = 0.01};
  const double expected[] = {0.899000002, 0.899000002 * 0.999 - 0.1 * (0.02 / 0.19) / (std::sqrt(0.000312249999999999 / 0.001999) + 1e-8), 0};
  const double gradients[] = {0.5, -0.25, 0};
  for (std::uint64_t t = 1; t <= 3; ++t) {
    const double before = w.data()[0];
    g.data()[0] = gradients[t - 1];
    op::adam_step<Env>(env, rule, t, 1, g, m, v, w);
    if (t < 3) CHECK(w.data()[0] == doctest::Approx(expected[t - 1]).epsilon(1e-9));
    else CHECK(w.data()[0] == doctest::Approx(before * 0.999 - 0.1 * (0.018 / 0.271) / (std::sqrt(0.00031193775 / 0.002997001) + 1e-8)).epsilon(1e-9));
  }
  CHECK(m.data()[0] == doctest::Approx(0.018).epsilon(1e-12));
  CHECK(v.data()[0] == doctest::Approx(0.00031193775).epsilon(1e-12));
}

TEST_CASE("a model's parameters step each by its own group, with schedule and gradient scale") {
  Env env{{.threads = 1}};
  Net model;
  randomise(model, 1);
  std::vector<std::vector<ByHand>> by_hand;
  std::vector<std::pair<double, double>> rules;  // rate, decay
  for (const auto& leaf : trained_leaves(model)) {
    by_hand.emplace_back();
    for (Index i = 0; i < leaf.size(); ++i) by_hand.back().push_back({leaf.view().data[i]});
    const bool plain = leaf.name.ends_with("bias") || leaf.name.ends_with("LayerNorm.weight"), lora = leaf.name.find("lora_") != std::string::npos;
    rules.emplace_back(lora ? 0.01 * 10 : 0.01, plain ? 0 : 0.2);
  }
  Groups groups = usual_groups();
  groups.push_back({"*lora_*", 10, 1});
  AdamW<Net> adam{model, Adam{.rate = 0.01, .decay = 0.2}, groups};
  Net::Grads grads;
  for (int t = 1; t <= 4; ++t) {
    const auto g = tensors<Net>(grads);
    for (std::size_t i = 0; i < g.size(); ++i) {
      Random random(7, static_cast<std::uint64_t>(100 * t) + i);
      for (Index k = 0; k < g[i]->size(); ++k) {
        g[i]->data()[k] = random.normal();
        by_hand[i][std::size_t(k)].step(0.5 * g[i]->data()[k], t, rules[i].first / t, rules[i].second);
      }
    }
    adam.update(env, model, grads, 1.0 / t, 0.5);
    CHECK(adam.steps() == static_cast<std::uint64_t>(t));
  }
  std::size_t i = 0;
  double worst = 0;
  for (const auto& leaf : trained_leaves(model)) {
    for (Index k = 0; k < leaf.size(); ++k) worst = std::max(worst, std::fabs(leaf.view().data[k] - by_hand[i][std::size_t(k)].w));
    ++i;
  }
  CHECK(i == 8 + 2 + 4);  // biases (the norms' among them), the norms' weights, two pairs of LoRA
  CHECK(worst < 1e-12);
}

TEST_CASE("moments are readable, and a state that is put back goes on exactly") {
  Env env{{.threads = 1}};
  Net a, b;
  randomise(a, 1);
  randomise(b, 1);
  Net::Grads grads;
  for (auto* g : tensors<Net>(grads))
    for (Index k = 0; k < g->size(); ++k) g->data()[k] = 0.1 * static_cast<double>(k + 1);
  AdamW<Net> first{a, Adam{.rate = 0.01}}, second{b, Adam{.rate = 0.01}};
  for (int t = 0; t < 2; ++t) first.update(env, a, grads);
  second.update(env, b, grads);
  AdamW<Net> resumed{b, Adam{.rate = 0.01}};
  resumed.steps(second.steps());
  const auto copy_moments = [](const Net::Grads& from, Net::Grads& to) {
    const auto f = tensors<Net>(from), t = tensors<Net>(to);
    for (std::size_t i = 0; i < f.size(); ++i) *t[i] = f[i]->copy();
  };
  copy_moments(second.first_moments(), resumed.first_moments());
  copy_moments(second.second_moments(), resumed.second_moments());
  resumed.update(env, b, grads);
  CHECK(resumed.steps() == 2);
  const auto x = trained_leaves(a), y = trained_leaves(b);
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(same_bits(*x[i].owned, *y[i].owned));
}
