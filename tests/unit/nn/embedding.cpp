#include "towpath/nn/embedding.hpp"

#include "gradients.hpp"

#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <type_traits>
#include <vector>

using namespace towpath;

namespace {
using Env = Cpu<double>;
struct Tiny {
  static constexpr Index vocabulary = 11, positions = 8, types = 2, hidden = 5;
  static constexpr double norm_epsilon = 1e-12;
};
template <bool tables, bool weight = tables, bool bias = tables>
struct Arch : BertEmbeddings<Tiny, tables, weight, bias> {
  using shape = Tiny;  // where check_gradients looks for the vocabulary
};
using Tuned = BertEmbeddings<Tiny, true>::On<Env>;
using Still = BertEmbeddings<Tiny, false>::On<Env>;
using NormBias = BertEmbeddings<Tiny, false, false, true>::On<Env>;
using NormWeight = BertEmbeddings<Tiny, false, true, false>::On<Env>;

static_assert(Described<Tuned> && Named<Tuned> && Tuned::trains && !Still::trains && NormBias::trains);
static_assert(std::is_empty_v<Still::Saved<Infer>> && std::is_empty_v<Tuned::Saved<Infer>> && std::is_empty_v<Still::Saved<Learn<false>>>);
static_assert(std::is_empty_v<Still::Grads> && !std::is_empty_v<NormBias::Grads>);
static_assert(sizeof(NormBias::Saved<Learn<false>>) == sizeof(Mask));       // a bias needs no sum
static_assert(!is_nothing<decltype(NormWeight::Saved<Learn<false>>::sum)>);  // a weight does
static_assert(parameters<BertEmbeddings<Tiny, true>>().trainable == (11 + 8 + 2) * 5 + 10 &&
              parameters<BertEmbeddings<Tiny, false, true, false>>().trainable == 5);

Ragged pair() {
  Ragged tokens;
  const std::vector<std::int32_t> a{1, 4, 1}, types{0, 0, 1}, b{10};
  tokens.add(a, types);
  tokens.add(b);
  return tokens;
}
}  // namespace

TEST_CASE("gradients, in every combination of what trains, with dropout and without") {
  for (const float rate : {0.0f, 0.3f}) {
    gradients::right<Arch<true>, Learn<false>>(0, rate);
    gradients::right<Arch<true, false, false>, Learn<false>>(0, rate);
    gradients::right<Arch<false, true, false>, Learn<false>>(0, rate);
    gradients::right<Arch<false, false, true>, Learn<false>>(0, rate);
    gradients::right<Arch<false, true, true>, Learn<false>>(0, rate);
  }
}

TEST_CASE("word plus position plus type, normalised; positions begin anew in each sequence") {
  Env env{{.threads = 1}};
  Tuned m;
  initialise<Tuned, Env>(m, 4, Fill::everything);
  const Ragged tokens = pair();
  Tuned::Saved<Infer> saved;
  const auto y = m.forward<Infer>(env, tokens, saved);
  REQUIRE(y.rows() == 4);
  const Index word[] = {1, 4, 1, 10}, position[] = {0, 1, 2, 0}, type[] = {0, 0, 1, 0};
  for (Index t = 0; t < 4; ++t) {
    double x[5], mean = 0, variance = 0;
    for (Index c = 0; c < 5; ++c) {
      x[c] = m.word.view().row(word[t])[c] + m.position.view().row(position[t])[c] + m.type.view().row(type[t])[c];
      mean += x[c] / 5;
    }
    for (double v : x) variance += (v - mean) * (v - mean) / 5;
    for (Index c = 0; c < 5; ++c)
      CHECK(std::fabs(y.view().row(t)[c] - (x[c] - mean) / std::sqrt(variance + 1e-12)) < tolerance::same_in_double);
  }
}

TEST_CASE("each table's gradient lands in the rows that were used, summed where one was used twice") {
  Env env{{.threads = 1}};
  Tuned m;
  initialise<Tuned, Env>(m, 4, Fill::everything);
  const Ragged tokens = pair();
  Tuned::Saved<Learn<false>> saved;
  Tuned::Grads g;
  m.forward<Learn<false>>(env, tokens, saved);
  const auto dy = gradients::Bench<LayerNorm<Tiny>>::drawn(4, 5, 2);
  m.backward<Learn<false>>(env, dy, tokens, saved, g);
  const auto row = [](const Tensor<Env>& t, Index r) { return t.view().row(r); };
  for (Index c = 0; c < 5; ++c) {
    // tokens 0 … 3 give rows d0 … d3: position has d0 + d3, d1, d2; word has d0 + d2, d1, d3; type has d0 + d1 + d3, d2
    const double d1 = row(g.position, 1)[c], d2 = row(g.position, 2)[c], d3 = row(g.word, 10)[c], d0 = row(g.position, 0)[c] - d3;
    CHECK(row(g.word, 4)[c] == d1);
    CHECK(std::fabs(row(g.word, 1)[c] - (d0 + d2)) < tolerance::same_in_double);
    CHECK(row(g.type, 1)[c] == d2);
    CHECK(std::fabs(row(g.type, 0)[c] - (d0 + d1 + d3)) < tolerance::same_in_double);
    CHECK(row(g.word, 0)[c] == 0);
    CHECK(row(g.word, 7)[c] == 0);
    CHECK(row(g.position, 3)[c] == 0);
  }
}

TEST_CASE("names are Hugging Face's") {
  std::string names;
  const Still m;
  for (const auto& l : leaves<Still, Env>(m)) names += l.name + " ";
  CHECK(names == "word_embeddings.weight position_embeddings.weight token_type_embeddings.weight LayerNorm.weight LayerNorm.bias ");
}

TEST_CASE("no tokens; and a steady step takes nothing new from the pool") {
  Env env{{.threads = 1, .dropout = 0.1f}};
  Tuned m;
  initialise<Tuned, Env>(m, 4, Fill::everything);
  Tuned::Saved<Learn<false>> saved;
  CHECK(m.forward<Learn<false>>(env, Ragged{}, saved).rows() == 0);
  const Ragged tokens = pair();
  const auto dy = gradients::Bench<LayerNorm<Tiny>>::drawn(4, 5, 2);
  Tuned::Grads g;
  std::size_t warm = 0;
  for (int step = 0; step < 6; ++step) {
    m.forward<Learn<false>>(env, tokens, saved);
    m.backward<Learn<false>>(env, dy, tokens, saved, g);
    if (step == 1) warm = env.pool().fetched();
  }
  CHECK(env.pool().fetched() == warm);
}

TEST_CASE("where there are many tokens a frozen table is read in pieces, to the same rows") {
  Env whole{{.threads = 1}}, pieces{{.threads = 1, .repack = 100}};
  Still m;
  initialise<Still, Env>(m, 4, Fill::everything);
  Ragged tokens;
  Random r(2, 0);
  while (tokens.tokens() < 150) {
    std::vector<std::int32_t> ids;
    for (Index i = 0; i < 7; ++i) ids.push_back(static_cast<std::int32_t>(r.below(11)));
    tokens.add(ids);
  }
  Still::Saved<Infer> saved;
  CHECK(gradients::same_bits(m.forward<Infer>(whole, tokens, saved), m.forward<Infer>(pieces, tokens, saved)));
}
