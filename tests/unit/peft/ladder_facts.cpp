// A ladder's start, names, count, and what it is spared. (Gradients: ladder.cpp.)
#include "towpath/io/checkpoint.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/ladder.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
using Reads = Ladder<Aside<3>>;
using Both = Ladder<Aside<3>, Inject>;
using Env = Cpu<float>;

// 12 rungs of 768 -> 48, a gate, 48 -> 48 -> 48, and 48 -> 768 at the end.
constexpr Index rung = 768 * 48 + 48 + 48 + 2 * (48 * 48 + 48);
static_assert(parameters<Bert<BertBase, Repeat<12, TransformerLayer<BertBase, Ladder<Aside<48>>>>>>().trainable ==
              12 * rung + 48 * 768 + 768);
static_assert(parameters<Bert<BertBase, Repeat<12, TransformerLayer<BertBase, Ladder<Aside<48>>>>>>().trainable ==
              537'600);
}  // namespace

TEST_CASE("an untrained ladder is the backbone, bit for bit") {
  CHECK(starts_at_the_backbone<SmallBert<Reads>>());
  CHECK(starts_at_the_backbone<SmallBert<Both, BitFit>>());
  CHECK(starts_at_the_backbone<
        Bert<Small, Segments<Repeat<1, TransformerLayer<Small>>, Repeat<1, TransformerLayer<Small, Reads>>>>>());
}

TEST_CASE("names") {
  CHECK(names_of<Bert<Small, Repeat<1, TransformerLayer<Small, Reads>>>>() ==
        Names{"encoder.layer.0.ladder_in.weight", "encoder.layer.0.ladder_in.bias", "encoder.layer.0.ladder_gate",
              "encoder.layer.0.ladder_down.weight", "encoder.layer.0.ladder_down.bias",
              "encoder.layer.0.ladder_up.weight", "encoder.layer.0.ladder_up.bias", "encoder.ladder_out.weight",
              "encoder.ladder_out.bias"});
  CHECK(names_of<Bert<Small, Repeat<1, TransformerLayer<Small, Both>>>>()[7] == "encoder.layer.0.ladder_inject.weight");
}

TEST_CASE("what a ladder adds is marked as added: a plain checkpoint loads") {
  SmallBert<Both>::On<Env> model;
  CHECK(trained_leaves(model).size() == 2 * 8 + 2);
  for (const auto& leaf : trained_leaves(model)) CHECK_MESSAGE(leaf.added, leaf.name);
}

TEST_CASE("asked for first tokens only, a ladder says and learns the same") {
  using Net = SmallBert<Both, BitFit>::On<Cpu<double>>;
  using D = Cpu<double>;
  D env{{.threads = 1}};
  Net model;
  randomise(model, 1);
  const Ragged tokens = some_tokens({4, 1, 6});
  Net::Saved<Learn<false>> one, all;
  const Tensor<D> y = model.forward<Learn<false>, true>(env, tokens, one),
                  z = model.forward<Learn<false>>(env, tokens, all);
  REQUIRE(y.rows() == 3);
  Tensor<D> dz(z.rows(), z.columns());
  for (Index s = 0; s < 3; ++s)
    for (Index j = 0; j < y.columns(); ++j) {
      CHECK(y.view().row(s)[j] == doctest::Approx(z.view().row(tokens.begin(s))[j]).epsilon(1e-12));
      dz.writable().row(tokens.begin(s))[j] = y.view().row(s)[j];
    }
  Net::Grads g, h;
  model.backward<Learn<false>, true>(env, y, tokens, one, g);
  model.backward<Learn<false>>(env, dz, tokens, all, h);
  const auto a = tensors<Net>(g), b = tensors<Net>(h);
  for (std::size_t i = 0; i < a.size(); ++i)
    for (Index k = 0; k < a[i]->size(); ++k)
      CHECK(a[i]->data()[k] == doctest::Approx(b[i]->data()[k]).epsilon(1e-9).scale(1e-3));
}
