// The layer against its equations, written out once more in plain loops. (Gradients: transformer_layer.cpp.)
#include "small.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <map>

using namespace towpath;

namespace {

using Env = Cpu<double>;
using Row = std::vector<double>;
using Rows2 = std::vector<Row>;

struct Weights {
  std::map<std::string, View<Env>> all;

  View<Env> operator()(const std::string& name) const {
    const auto it = all.find(name);
    REQUIRE_MESSAGE(it != all.end(), name);
    return it->second;
  }
  Row linear(const std::string& at, const Row& x, bool bias = true) const {
    const View<Env> w = (*this)(at + ".weight");
    Row y(static_cast<std::size_t>(w.rows), 0.0);
    for (Index o = 0; o < w.rows; ++o) {
      for (Index i = 0; i < w.columns; ++i) y[std::size_t(o)] += w.row(o)[i] * x[std::size_t(i)];
      if (bias) y[std::size_t(o)] += (*this)(at + ".bias").data[o];
    }
    return y;
  }
  Row norm(const std::string& at, const Row& x) const {
    double mean = 0, square = 0;
    for (double v : x) mean += v / double(x.size());
    for (double v : x) square += (v - mean) * (v - mean) / double(x.size());
    Row y = x;
    for (std::size_t i = 0; i < x.size(); ++i)
      y[i] = (x[i] - mean) / std::sqrt(square + 1e-12) * (*this)(at + ".weight").data[i] + (*this)(at + ".bias").data[i];
    return y;
  }
  Row bottleneck(const std::string& at, const Row& x) const {
    Row z = linear(at + "_down", x);
    for (double& v : z) v = v > 0 ? v : 0;
    return linear(at + "_up", z);
  }
};
Row operator+(Row a, const Row& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}
Row operator*(double s, Row a) {
  for (double& v : a) v *= s;
  return a;
}
double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }

// One sequence through a layer with everything on: LoRA at all six (rank 2, α 6), a prefix of 2, adapters at six sites, a tower of
// pathways, in the order of the equations at the top of transformer_layer.hpp.
using Everything =
    TransformerLayer<Small, LoRA<2, Alpha<6>, at::Query, at::Key, at::Value, at::AttentionOutput, at::FfnIn, at::FfnOut>, Prefix<2>,
                     Adapter<3, at::PostAttention, at::PostFfn, at::PostAttentionNorm, at::PostFfnNorm, at::BesideAttention, at::BesideFfn>,
                     Pathway<Aside<4>, at::OutsideAttention, at::OutsideFfn, at::OutsideLayer>>;

Rows2 by_hand(const Weights& w, const Rows2& x) {
  const std::size_t n = x.size(), H = Small::hidden, d = H / 2;
  const auto projection = [&](const std::string& at, const Row& in) {
    return w.linear(at, in) + 3.0 * w.linear(at + ".lora_B", w.linear(at + ".lora_A", in, false), false);
  };
  Rows2 q, k, v;
  for (Index i = 0; i < 2; ++i) {
    const auto row = [&](const char* name) {
      const double* r = w(std::string("attention.self.") + name).row(i);
      return Row(r, r + H);
    };
    k.push_back(row("prefix_key"));
    v.push_back(row("prefix_value"));
  }
  for (const Row& row : x) {
    q.push_back(projection("attention.self.query", row));
    k.push_back(projection("attention.self.key", row));
    v.push_back(projection("attention.self.value", row));
  }
  Rows2 out;
  for (std::size_t t = 0; t < n; ++t) {
    Row sa(H, 0.0);
    for (std::size_t head = 0; head < 2; ++head) {
      Row p(k.size());
      double sum = 0;
      for (std::size_t j = 0; j < k.size(); ++j) {
        double dot = 0;
        for (std::size_t c = head * d; c < (head + 1) * d; ++c) dot += q[t][c] * k[j][c];
        sum += p[j] = std::exp(dot / std::sqrt(double(d)));
      }
      for (std::size_t j = 0; j < k.size(); ++j)
        for (std::size_t c = head * d; c < (head + 1) * d; ++c) sa[c] += p[j] / sum * v[j][c];
    }
    Row a = projection("attention.output.dense", sa);
    a = a + w.bottleneck("attention.output.adapter", a);
    a = a + w.bottleneck("attention.parallel", x[t]);
    Row u = w.norm("attention.output.LayerNorm", x[t] + a);
    u = u + w.bottleneck("attention.output.after.adapter", u);
    u = u + w.bottleneck("attention.aside", x[t]);
    Row hidden = projection("intermediate.dense", u);
    for (double& h : hidden) h = gelu(h);
    Row f = projection("output.dense", hidden);
    f = f + w.bottleneck("output.adapter", f);
    f = f + w.bottleneck("intermediate.parallel", u);
    Row y = w.norm("output.LayerNorm", u + f);
    y = y + w.bottleneck("output.after.adapter", y);
    y = y + w.bottleneck("output.aside", u);
    out.push_back(y + w.bottleneck("aside", x[t]));
  }
  return out;
}

}  // namespace

TEST_CASE("a layer with every site taken is its equations") {
  using Layer = Everything::On<Env>;
  Env env{{.threads = 1}};
  Layer layer;
  randomise<Layer, Env>(layer, 5);
  Weights w;
  for (const auto& leaf : leaves<Layer, Env>(layer)) w.all[leaf.name] = leaf.view();

  Sequences two;
  two.offsets = {0, 1, 6};
  Tensor<Env> x(6, Small::hidden);
  Random random(2, 0);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = random.normal();
  Layer::Saved<Infer> saved;
  const Tensor<Env> y = layer.forward<Infer>(env, Tokens<Env>{x, &two}, saved);
  double worst = 0;
  for (Index s = 0; s < 2; ++s) {
    Rows2 rows;
    for (Index t = two.begin(s); t < two.begin(s) + two.length(s); ++t) rows.emplace_back(x.view().row(t), x.view().row(t) + Small::hidden);
    const Rows2 expected = by_hand(w, rows);
    for (std::size_t t = 0; t < expected.size(); ++t)
      for (std::size_t c = 0; c < expected[t].size(); ++c)
        worst = std::max(worst, std::fabs(expected[t][c] - y.view().row(two.begin(s) + Index(t))[c]));
  }
  CHECK(worst < 1e-12);
}
