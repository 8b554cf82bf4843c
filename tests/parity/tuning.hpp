// Ten training steps beside PyTorch's. The numbers are made by tuning.py beside this file (torch 2, transformers, in float64); how far
// the same steps in torch's own float32 stray from them is printed by that script, and is what the tolerances are taken from.
#pragma once

#include "../unit/model/small.hpp"
#include "towpath/io/checkpoint.hpp"
#include "towpath/ir/bi_encoder.hpp"
#include "towpath/loss/info_nce.hpp"
#include "towpath/optim/adam.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace parity {

using namespace towpath;

// What tuning.py calls HIDDEN, LAYERS, ….
struct Shape : BertBase {
  static constexpr Index hidden = 32, layers = 2, heads = 4, ffn = 64, vocabulary = 100, positions = 48;
};
template <class Stack, class... Methods>
using Retriever = BiEncoder<Bert<Shape, Stack, Methods...>, MeanPooling, Cosine>;
template <class... Methods>
using Stack = Repeat<2, TransformerLayer<Shape, Methods...>>;

// In float the steps themselves round; in double the fixture does, since it is stored in float (6e-8 relative).
struct Tolerance {
  double encoding, loss, gradient, final;
};
template <class Scalar>
constexpr Tolerance tolerance = {1e-5, 1e-4, 1e-4, 1e-4};
template <>
inline constexpr Tolerance tolerance<double> = {1e-6, 1e-7, 1e-6, 1e-6};

inline std::string fixture(const std::string& name) { return std::string(TOWPATH_FIXTURES) + "/" + name + ".safetensors"; }

inline std::vector<double> numbers(const Safetensors& file, const std::string& name) {
  const Entry* e = file.find(name);
  REQUIRE_MESSAGE(e != nullptr, name);
  std::vector<double> v(static_cast<std::size_t>(e->size()));
  convert(e->dtype, e->data, e->size(), v.data());
  return v;
}
inline std::vector<std::int64_t> integers(const Safetensors& file, const std::string& name) {
  const Entry* e = file.find(name);
  REQUIRE_MESSAGE(e != nullptr, name);
  std::vector<std::int64_t> v(static_cast<std::size_t>(e->size()));
  std::memcpy(v.data(), e->data, v.size() * sizeof(std::int64_t));
  return v;
}
template <class Env>
Tensor<Env> tensor(const Safetensors& file, const std::string& name) {
  const Entry* e = file.find(name);
  REQUIRE_MESSAGE(e != nullptr, name);
  const Index rows = e->shape.size() == 2 ? e->shape[0] : 1, columns = e->shape.empty() ? 1 : e->shape.back();
  Tensor<Env> t(rows, columns);
  convert(e->dtype, e->data, e->size(), t.data());
  return t;
}

// ‖a - b‖ / ‖b‖
template <class T>
double distance(const T* a, const std::vector<double>& b) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
    norm += b[i] * b[i];
  }
  return std::sqrt(difference) / std::max(std::sqrt(norm), 1e-30);
}
template <class T>
double largest_difference(const T* a, const std::vector<double>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < b.size(); ++i) worst = std::max(worst, std::fabs(double(a[i]) - b[i]));
  return worst;
}

inline Ragged ragged(const Safetensors& file, const std::string& side) {
  const auto ids = integers(file, side + "_ids"), offsets = integers(file, side + "_offsets");
  Ragged r;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const std::vector<std::int32_t> one(ids.begin() + offsets[s], ids.begin() + offsets[s + 1]);
    r.add(one);
  }
  return r;
}
inline Batch batch(const Safetensors& file, int number) {
  const std::string at = "batch" + std::to_string(number) + ".";
  Batch b{.queries = ragged(file, at + "query"), .passages = ragged(file, at + "passage"), .positive = {}, .also_relevant = {}};
  for (Index q = 0; q < b.queries.count(); ++q) b.positive.push_back(q);
  return b;
}

// Frozen weights from the backbone's file, trained ones from init.<name>; a parameter that neither has is an error.
template <class Model>
void fill(Model& model, const Safetensors& backbone, const Safetensors& method) {
  using Env = typename Model::Environment;
  for (auto& leaf : leaves(model)) {
    const std::string init = "init." + leaf.name;
    const bool own = method.find(init) != nullptr;
    CHECK_MESSAGE(own == leaf.trains, leaf.name);
    Tensor<Env> t = own ? tensor<Env>(method, init) : tensor<Env>(backbone, leaf.name);
    REQUIRE((t.rows() == leaf.rows() && t.columns() == leaf.columns()));
    if (leaf.owned) std::memcpy(leaf.owned->data(), t.data(), static_cast<std::size_t>(t.size()) * sizeof(typename Env::Scalar));
    else leaf.shared->refer(std::move(t));
  }
}

// The gradient of a key's bias is zero but for rounding (softmax does not see a shift), so Adam steps along noise: not compared.
inline bool noise(const std::string& name) { return name.ends_with("attention.self.key.bias"); }

template <class Arch, class Env>
void ten_steps(const std::string& name) {
  const Safetensors backbone{fixture("tuning_backbone")}, method{fixture("tuning_" + name)};
  const Tolerance allowed = tolerance<typename Env::Scalar>;
  using Net = typename Arch::template On<Env>;
  Env env{{.threads = 1}};
  Net model{env};
  fill(model, backbone, method);
  const auto trained = trained_leaves(model);
  CHECK(!trained.empty());
  std::size_t expected = 0;
  for (const auto& e : method.entries()) expected += e.name.starts_with("init.");
  CHECK(trained.size() == expected);

  typename Net::template Saved<Learn<false>> saved;
  typename Net::Grads grads;
  AdamW<Net> adam{model, Adam{.rate = 1e-3, .decay = 0.01}};
  const InfoNce loss{.temperature = 0.05};
  const auto losses = numbers(method, "losses");
  double worst_loss = 0, worst_gradient = 0, worst_final = 0;
  for (int step = 0; step < 10; ++step) {
    const Batch b = batch(backbone, step);
    zero(grads);
    const auto l = loss(model.forward(env, b, saved));
    model.backward(env, l.gradient, b, saved, grads);
    const double off = std::fabs(l.value - losses[std::size_t(step)]) / losses[std::size_t(step)];
    worst_loss = std::max(worst_loss, off);
    CHECK_MESSAGE(off <= allowed.loss, "loss of step " << step << ": " << l.value << " instead of " << losses[std::size_t(step)]);
    if (step == 0) {
      const auto g = tensors<Net>(grads);
      REQUIRE(g.size() == trained.size());
      for (std::size_t i = 0; i < g.size(); ++i) {
        const auto right = numbers(method, "grad." + trained[i].name);
        if (noise(trained[i].name)) {
          CHECK(largest_difference(g[i]->data(), right) < 1e-6);
          continue;
        }
        const double d = distance(g[i]->data(), right);
        worst_gradient = std::max(worst_gradient, d);
        CHECK_MESSAGE(d <= allowed.gradient, trained[i].name << " has a gradient that is off by " << d);
      }
    }
    adam.update(model, grads);
  }
  for (const auto& leaf : trained) {
    if (noise(leaf.name)) continue;
    const double d = distance(leaf.view().data, numbers(method, "final." + leaf.name));
    worst_final = std::max(worst_final, d);
    CHECK_MESSAGE(d <= allowed.final, leaf.name << " ends off by " << d);
  }
  if (std::getenv("TOWPATH_SHOW_WORST"))
    std::printf("%-9s %s  losses %.1e  gradients %.1e  final weights %.1e\n", name.c_str(), sizeof(typename Env::Scalar) == 4 ? "float " : "double",
                worst_loss, worst_gradient, worst_final);
}

// The same steps in the precision of training and in that of checking.
template <class Arch>
void like_pytorch(const std::string& name) {
  ten_steps<Arch, Cpu<float>>(name);
  ten_steps<Arch, Cpu<double>>(name);
}

}  // namespace parity
