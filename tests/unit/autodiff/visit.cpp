#include "towpath/autodiff/visit.hpp"
#include "towpath/backend/environment.hpp"
#include "towpath/nn/chain.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/nn/under.hpp"

#include "../tolerances.hpp"

#include <cmath>
#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <type_traits>
#include <vector>

using namespace towpath;

namespace {
using Env = Reference<float>;

// A frozen projection with a trained bias, and on top a trained one: names low.weight, low.bias, high.weight, high.bias.
template <Index width>
using Two = Then<Under<"low", Linear<3, width, Leaf::frozen, Leaf::trained>>, Under<"high", Linear<width, 2>>>;
// … as a model: it says what it lives on, and its gradients say whose they are.
template <Index width>
struct ModelOf : Two<width>::template On<Env> {
  using Environment = Env;
  struct Grads : Two<width>::template On<Env>::Grads {
    using Module = ModelOf;
  };
};
using Model = ModelOf<4>;
struct WiderInput : Under<"low", Linear<9, 4, Leaf::frozen>>::On<Env> {  // low.weight [4, 9] instead of [4, 3], and a frozen low.bias
  using Environment = Env;
};

static_assert(parameters<Two<4>>().total == 3 * 4 + 4 + 4 * 2 + 2 && parameters<Two<4>>().trainable == 4 + 4 * 2 + 2);
static_assert(parameters<Linear<3, 4, Leaf::frozen>>().trainable == 0 && parameters<Linear<3, 4, Leaf::frozen, Leaf::absent>>().total == 12);
static_assert(Count{200, 5}.percent() == 2.5 && Parameter{"x", {3, 4}, true}.size() == 12);

std::vector<std::string> names(const std::vector<LeafRef<Env>>& leaves) {
  std::vector<std::string> all;
  for (const auto& l : leaves) all.push_back(l.name);
  return all;
}
bool same_bits(View<Env> a, View<Env> b) {
  return a.size() == b.size() && std::memcmp(a.data, b.data, static_cast<std::size_t>(a.size()) * sizeof(float)) == 0;
}
}  // namespace

TEST_CASE("leaves: every parameter in order, with its facts; trained_leaves: those that train") {
  const Model m;
  const auto all = leaves(m);
  CHECK(names(all) == std::vector<std::string>{"low.weight", "low.bias", "high.weight", "high.bias"});
  CHECK_FALSE(all[0].trains);
  CHECK(all[0].shared == &m.first.weight);
  CHECK(all[0].owned == nullptr);
  CHECK(all[0].empty());  // a frozen weight has its extents, and values when it is loaded
  CHECK(all[0].rows() == 4);
  CHECK(all[0].columns() == 3);
  CHECK(all[1].owned == &m.first.bias);
  CHECK(all[1].shared == nullptr);
  CHECK(all[1].dimensions() == 1);
  CHECK(all[2].dimensions() == 2);
  CHECK(all[2].size() == 8);
  CHECK(all[2].start.scale == 0.02f);
  CHECK(names(trained_leaves(m)) == std::vector<std::string>{"low.bias", "high.weight", "high.bias"});
}

TEST_CASE("gradients are congruent to what trains, and zero() clears them all") {
  const Model m;
  Model::Grads g;
  const auto weights = trained_leaves(m);
  const auto gradients = tensors<Model>(g);
  REQUIRE(gradients.size() == weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    CHECK(gradients[i]->rows() == weights[i].rows());
    CHECK(gradients[i]->columns() == weights[i].columns());
    for (Index j = 0; j < gradients[i]->size(); ++j) {
      CHECK(gradients[i]->data()[j] == 0);
      gradients[i]->data()[j] = 1;
    }
  }
  zero(g);
  for (const auto* t : gradients)
    for (Index j = 0; j < t->size(); ++j) CHECK(t->data()[j] == 0);
}

TEST_CASE("walk goes through several structures at once; where one has no such leaf there is Nothing") {
  Model m;
  Model::Grads g;
  std::vector<std::string> seen;
  walk<Model>(
      [&](const Path& at, auto tag, auto& w, auto& d) {
        constexpr bool nothing = is_nothing<std::remove_reference_t<decltype(d)>>;
        CHECK(nothing == !decltype(tag)::trains);
        CHECK(std::is_same_v<std::remove_reference_t<decltype(w)>, SharedTensor<Env>> == nothing);
        seen.push_back(at.string());
      },
      m, g);
  CHECK(seen == names(leaves(m)));
  int trained = 0;
  walk_trained<Model>(
      [&](const Path&, auto, Tensor<Env>& w, Tensor<Env>& d) {
        ++trained;
        CHECK(w.size() == d.size());
      },
      m, g);
  CHECK(trained == 3);
}

TEST_CASE("visit shows each parameter's name, shape and whether it trains") {
  const Model m;
  std::string said;
  visit(m, [&](const Parameter& p) {
    said += std::string(p.name) + " " + std::to_string(p.shape[0]) + "x" + std::to_string(p.shape[1]) + (p.trains ? " trains;" : ";");
  });
  CHECK(said == "low.weight 4x3;low.bias 1x4 trains;high.weight 2x4 trains;high.bias 1x2 trains;");
}

TEST_CASE("initialise: a function of seed and name; Fill::trained leaves the frozen alone") {
  Model a, b, c;
  initialise(a, 7);
  initialise(b, 7);
  initialise(c, 8);
  CHECK(same_bits(a.second.weight, b.second.weight));
  CHECK_FALSE(same_bits(a.second.weight, c.second.weight));
  CHECK(a.first.weight.empty());
  CHECK(unloaded(a) == "low.weight");
  CHECK(a.second.bias.data()[0] == 0);

  Model d;
  initialise(d, 7, Fill::everything);
  CHECK(same_bits(d.second.weight, a.second.weight));  // what else is filled does not matter
  CHECK_FALSE(d.first.weight.empty());
  CHECK(unloaded(d).empty());

  // the same shape and rule under another name starts elsewhere; elsewhere in a model, under the same name, the same
  using Named = Then<Under<"x", Linear<4, 4>>, Under<"y", Linear<4, 4>>>::On<Env>;
  using Alone = Under<"y", Linear<4, 4>>::On<Env>;
  Named n;
  Alone y;
  initialise<Named, Env>(n, 7);
  initialise<Alone, Env>(y, 7);
  CHECK_FALSE(same_bits(n.first.weight, n.second.weight));
  CHECK(same_bits(n.second.weight, y.weight));
}

TEST_CASE("initialise follows each rule: the normal's deviation, the uniform's bounds") {
  using Broad = Linear<100, 200>::On<Env>;
  Broad m;
  initialise<Broad, Env>(m, 1);
  double square = 0;
  const Index n = m.weight.size();
  for (Index i = 0; i < n; ++i) square += static_cast<double>(m.weight.data()[i]) * static_cast<double>(m.weight.data()[i]);
  const double variance = square / static_cast<double>(n) / (0.02 * 0.02);
  CHECK(std::fabs(variance - 1) < tolerance::standard_errors * std::sqrt(2.0 / static_cast<double>(n)));

  using Kaiming = Linear<100, 200, Leaf::trained, Leaf::absent, start::Kaiming>::On<Env>;
  Kaiming u;
  initialise<Kaiming, Env>(u, 1);
  float low = 0, high = 0;
  for (Index i = 0; i < n; ++i) {
    low = std::fmin(low, u.weight.data()[i]);
    high = std::fmax(high, u.weight.data()[i]);
  }
  CHECK(low >= -0.1f);
  CHECK(high <= 0.1f);
  CHECK(low < -0.0999f);
  CHECK(high > 0.0999f);
}

TEST_CASE("share: frozen weights of the same name and extents become the same memory, and live on") {
  Model to;
  ModelOf<5> other;
  WiderInput wider;
  {
    Model from;
    initialise(from, 3, Fill::everything);
    CHECK(share(from, to) == 1);
    CHECK(to.first.weight.data() == from.first.weight.data());
    CHECK(to.first.bias.data() != from.first.bias.data());  // what trains is each model's own
    CHECK(share(from, other) == 0);
    CHECK(other.first.weight.empty());
    CHECK(share(from, wider) == 0);  // as many rows, but other columns; and a bias that trains is not given away
    CHECK(wider.bias.empty());
  }
  CHECK(unloaded(to).empty());
  CHECK(std::isfinite(to.first.weight.data()[11]));
  Model unfilled, taker;
  CHECK(share(unfilled, taker) == 0);
}
