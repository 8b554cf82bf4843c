#include "towpath/peft/unipelt.hpp"

#include "../model/small.hpp"
#include "towpath/peft/pathway.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
template <class Method>
constexpr Index on_bert_base = parameters<Bert<BertBase, Repeat<12, TransformerLayer<BertBase, Method>>>>().trainable;
// 10 rows, Pfeiffer's 894,528, LoRA's 294,912, and in each layer four gates of 769.
static_assert(on_bert_base<UniPELT<>> == 12 * 2 * 10 * 768 + 894'528 + 294'912 + 12 * 4 * 769);
}  // namespace

TEST_CASE("gradients of UniPELT, its parts, and with a pathway round it") {
  CHECK_GRADIENTS(SmallBert<Gated<LoRA<2, at::FfnOut, at::Key>>>);
  CHECK_GRADIENTS(SmallBert<Gated<Prefix<2>>>);
  CHECK_GRADIENTS_DROPPED(SmallBert<UniPELT<2, 3, 2>>);
  CHECK_GRADIENTS(SmallBert<Gated<Adapter<2, at::BesideFfn>>, Pathway<Aside<2>>>);
}

TEST_CASE("gated changes that start at zero start at the backbone, bit for bit") {
  CHECK(starts_at_the_backbone<SmallBert<Gated<Pfeiffer<3>>, Gated<LoRA<2>>>>());
}

TEST_CASE("names: the method's and its gate's, one step further down") {
  CHECK(names_of<Bert<Small, Repeat<1, TransformerLayer<Small, Gated<LoRA<2, at::Query>>, Gated<Prefix<2>>>>>>() ==
        Names{"encoder.layer.0.attention.self.query.gated.lora_A.weight", "encoder.layer.0.attention.self.query.gated.lora_B.weight",
              "encoder.layer.0.attention.self.query.gated.gate.weight", "encoder.layer.0.attention.self.query.gated.gate.bias",
              "encoder.layer.0.attention.self.gated.prefix_key", "encoder.layer.0.attention.self.gated.prefix_value",
              "encoder.layer.0.attention.self.gated.gate.weight", "encoder.layer.0.attention.self.gated.gate.bias"});
}

TEST_CASE("asked for first tokens alone, a model with gates gives those of all tokens, and takes their gradients") {
  using Env = Cpu<double>;
  using Net = SmallBert<UniPELT<2, 3, 2>>::On<Env>;
  Env env{{.threads = 1}};
  Net model;
  randomise(model, 3);
  const Ragged tokens = some_tokens({3, 1, 4});
  Net::Saved<Learn<false>> saved;
  Net::Grads some, all;
  const Tensor<Env> firsts = model.forward<Learn<false>, true>(env, tokens, saved);
  Tensor<Env> dy(3, Small::hidden), dall(8, Small::hidden);
  const Index at[] = {0, 3, 4};
  for (Index i = 0; i < dy.size(); ++i) {
    dy.data()[i] = 0.1 * static_cast<double>(i + 1);
    dall.data()[at[i / Small::hidden] * Small::hidden + i % Small::hidden] = dy.data()[i];
  }
  model.backward<Learn<false>, true>(env, dy, tokens, saved, some);
  const Tensor<Env> y = model.forward<Learn<false>>(env, tokens, saved);
  for (Index i = 0; i < firsts.size(); ++i) CHECK(firsts.data()[i] == y.view().row(at[i / Small::hidden])[i % Small::hidden]);
  model.backward<Learn<false>>(env, dall, tokens, saved, all);
  const auto a = tensors<Net>(some), b = tensors<Net>(all);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(same_bits(*a[i], *b[i]));
}
