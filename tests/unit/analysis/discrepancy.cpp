#include "towpath/analysis/discrepancy.hpp"

#include "towpath/ir/bi_encoder.hpp"
#include "towpath/loss/info_nce.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/pathway.hpp"

#include "toy.hpp"

#include <cmath>
#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace towpath;
using doctest::Approx;

namespace small {
struct Shape : BertBase {
  static constexpr std::string_view name = "Small";
  static constexpr Index hidden = 16, layers = 2, heads = 2, ffn = 32, vocabulary = 45, positions = 16;
};
}  // namespace small

namespace {

using small::Shape;

// Scalars a (below) and b (above), L = (b a x - y)² / 2.
using Pair = toy::Toy<double, 1, 1>;
struct Chained {
  double x, y;
  double operator()(const Pair& m, Pair::Grads& g) const {
    const double a = m[0], b = m[1], error = b * a * x - y;
    g.low.data()[0] += error * b * x;
    g.high.data()[0] += error * a * x;
    return error * error / 2;
  }
};
struct Descent {
  double rate;
  void operator()(Pair& m, const Pair::Grads& g) const {
    m[0] -= rate * g.low.data()[0];
    m[1] -= rate * g.high.data()[0];
  }
};

using Env = Cpu<double>;
using Arch = BiEncoder<Bert<Shape, Repeat<2, TransformerLayer<Shape, Adapter<4>, Pathway<Aside<4>>>>>, MeanPooling, Cosine>;
using Net = Arch::On<Env>;

Batch batch() {
  Batch b;
  for (int i = 0; i < 4; ++i) {
    std::vector<std::int32_t> query, passage;
    for (int t = 0; t < 3; ++t) query.push_back(5 + (7 * i + 3 * t) % 40);
    for (int t = 0; t < 5; ++t) passage.push_back(5 + (7 * i + 2 * t) % 40);
    b.queries.add(query);
    b.passages.add(passage);
    b.positive.push_back(i);
  }
  return b;
}

}  // namespace

TEST_CASE("two modules in a chain, by hand") {
  Pair model;
  model[0] = 0.5;  // a
  model[1] = 2;    // b
  const Chained loss{3, 1};   // error = 3 - 1 = 2: da = 2 * 2 * 3 = 12, db = 2 * 0.5 * 3 = 3
  const auto found = discrepancy(model, loss, Descent{0.01});
  REQUIRE(found.size() == 2);
  CHECK(found[0].module == "low");
  CHECK(found[0].norm == Approx(12));
  CHECK(found[0].relative == 0);
  CHECK(found[0].cosine == 1);
  // a moves to 0.38, so error = 2 * 0.38 * 3 - 1 = 1.28 and db' = 1.28 * 0.38 * 3 = 1.4592
  CHECK(found[1].module == "high");
  CHECK(found[1].norm == Approx(3));
  CHECK(found[1].relative == Approx((3 - 1.4592) / 3));
  CHECK(found[1].cosine == Approx(1));
  CHECK(model[0] == 0.5);
  CHECK(model[1] == 2);

  // a step so long that the gradient above turns round: a = -0.1, error = -1.6, db' = 0.48; at a = 0.1, error = -0.4, db' = -0.12
  CHECK(discrepancy(model, loss, Descent{0.05})[1].cosine == Approx(1));
  CHECK(discrepancy(model, loss, Descent{0.4 / 12})[1].cosine == Approx(-1));
  CHECK(discrepancy(model, loss, Descent{0.4 / 12})[1].relative == Approx(3.12 / 3));
  // one module, nothing below it
  const auto one = discrepancy(model, loss, Descent{0.01}, [](std::string_view) { return std::string("all"); });
  REQUIRE(one.size() == 1);
  CHECK(one[0].norm == Approx(std::sqrt(153.0)));
  CHECK(one[0].relative == 0);
}

TEST_CASE("gradients of zero") {
  Pair model;  // a = b = 0: no gradient anywhere, no step
  for (const auto& m : discrepancy(model, Chained{3, 1}, Descent{1})) {
    CHECK(m.norm == 0);
    CHECK(m.relative == 0);
    CHECK(m.cosine == 1);
  }
  model[1] = 2;  // a = 0 moves, and b, which had no gradient, has one
  const auto found = discrepancy(model, Chained{3, 1}, Descent{0.01});
  CHECK(found[1].norm == 0);
  CHECK(std::isinf(found[1].relative));
  CHECK(found[1].cosine == 0);
}

TEST_CASE("which parameters make a module") {
  CHECK(by_site("encoder.layer.0.attention.output.adapter_down.weight") == "encoder.layer.0.attention.output.adapter");
  CHECK(by_site("encoder.layer.11.attention.self.query.lora_A.weight") == "encoder.layer.11.attention.self.query.lora");
  CHECK(by_site("encoder.layer.1.attention.self.prefix_key") == "encoder.layer.1.attention.self.prefix");
  CHECK(by_site("encoder.layer.1.output.dense.bias") == "encoder.layer.1.output.dense");
  CHECK(by_site("my_head.dense.bias") == "my_head.dense");
  CHECK(by_layer("encoder.layer.11.attention.self.query.lora_A.weight") == "encoder.layer.11");
  CHECK(by_layer("encoder.aside_up.bias") == "encoder.aside");
  CHECK(by_layer("aside.3.down.weight") == "aside.3");
}

TEST_CASE("in the middle of training with AdamW, which goes on as if nobody had looked") {
  Env env({.threads = 1, .seed = 3});
  Net model(env);
  initialise(model, 11, Fill::everything);
  const Batch b = batch();
  AdamW<Net> adam(model, {.rate = 1e-2f});
  const InfoNce loss{.temperature = 0.1f};
  Net::Saved<Learn<false>> saved;
  const auto gradients = [&](Net& m, Net::Grads& g) {
    const auto l = loss(m.forward(env, b, saved));
    m.backward(env, View<Env>(l.gradient), b, saved, g);
    return l.value;
  };
  Net::Grads grads;
  for (int step = 0; step < 3; ++step) {
    zero(grads);
    gradients(model, grads);
    adam.update(model, grads);
  }
  Point<Net> trained(model);
  const auto weights = trained.weights(), first = trained.gradient(adam.first_moments()), second = trained.gradient(adam.second_moments());
  const auto found = discrepancy(model, gradients, adam);
  CHECK(trained.weights() == weights);
  CHECK(trained.gradient(adam.first_moments()) == first);
  CHECK(trained.gradient(adam.second_moments()) == second);
  CHECK(adam.steps() == 3);
  REQUIRE(found.size() == 6);  // two adapters and an aside module in each layer
  CHECK(found[0].module == "encoder.layer.0.attention.output.adapter");
  CHECK(found[2].module == "encoder.layer.0.aside");
  CHECK(found[5].module == "encoder.layer.1.aside");
  CHECK(found[0].relative == 0);
  for (std::size_t k = 1; k < 6; ++k) {
    CHECK(found[k].relative > 0);
    CHECK(std::abs(found[k].cosine) <= 1);
  }
  CHECK(discrepancy(model, gradients, adam, 1, 0, by_layer).size() == 2);
  // a step of length 0 disturbs nobody, a shorter step less
  for (const auto& m : discrepancy(model, gradients, adam, 0)) CHECK(m.relative == 0);
  CHECK(discrepancy(model, gradients, adam, 0.01)[5].relative < 0.05 * found[5].relative);

  // the topmost, the long way: everything below it takes its step
  zero(grads);
  gradients(model, grads);
  const auto g = trained.gradient(grads);
  adam.update(model, grads);
  std::size_t from = 0;
  for (std::size_t i = 0; i < trained.parts().size(); ++i)
    if (trained.parts()[i].name.starts_with("encoder.layer.1.aside")) {
      if (!from) from = static_cast<std::size_t>(trained.parts()[i].begin);
      trained.set(i, weights);
    }
  zero(grads);
  gradients(model, grads);
  const auto moved = trained.gradient(grads);
  double difference = 0, norm = 0;
  for (std::size_t i = from; i < g.size(); ++i) {
    difference += (g[i] - moved[i]) * (g[i] - moved[i]);
    norm += g[i] * g[i];
  }
  CHECK(found[5].norm == Approx(std::sqrt(norm)));
  CHECK(found[5].relative == Approx(std::sqrt(difference / norm)));
}
