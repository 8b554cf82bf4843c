// Adapters between a norm and itself, and scaled ones. (The other sites: adapter.cpp.)
#include "towpath/peft/pfeiffer.hpp"

#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
template <class Method>
constexpr Index on_bert_base = parameters<Bert<BertBase, Repeat<12, TransformerLayer<BertBase, Method>>>>().trainable;
static_assert(on_bert_base<Pfeiffer<48>> == 894'528 && on_bert_base<Houlsby<48>> == 1'789'056);  // reduction factor 16
static_assert(on_bert_base<Adapter<384, at::BesideFfn, Scale<4>>> == 7'091'712);                 // parallel, reduction factor 2
static_assert(std::is_same_v<Pfeiffer<4, Silu>::function, Silu> && std::is_same_v<Pfeiffer<4>::sites, Sites<at::AroundFfnNorm>>);
}  // namespace

TEST_CASE("gradients of adapters between a norm and itself") {
  CHECK_GRADIENTS(SmallBert<Pfeiffer<3>>);
  CHECK_GRADIENTS_DROPPED(SmallBert<Adapter<2, at::AroundAttentionNorm, Silu>, LayerNormTuning>);
  CHECK_GRADIENTS(SmallBert<Pfeiffer<2>, Tagged<"b", Pfeiffer<3>>, BitFit, LoRA<2>>);
}

TEST_CASE("gradients of adapters between a norm and itself, and a pathway round them") {
  CHECK_GRADIENTS(SmallBert<Pfeiffer<2>, Pathway<Aside<2>>>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<Pfeiffer<2>>, Pathway<Aside<3>>>);
}

TEST_CASE("gradients of scaled adapters") { CHECK_GRADIENTS(SmallBert<Adapter<3, Scale<3, 2>, at::PostFfn, at::BesideAttention>>); }

TEST_CASE("they start at the backbone, bit for bit") {
  CHECK(starts_at_the_backbone<SmallBert<Pfeiffer<3>>>());
  CHECK(starts_at_the_backbone<SmallBert<Adapter<3, at::AroundAttentionNorm, at::AroundFfnNorm, Scale<4>>>>());
}

TEST_CASE("their names") {
  const std::string at = "encoder.layer.0.output.around.adapter_";
  CHECK(names_of<Bert<Small, Repeat<1, TransformerLayer<Small, Pfeiffer<3>>>>>() ==
        Names{at + "down.weight", at + "down.bias", at + "up.weight", at + "up.bias"});
}
