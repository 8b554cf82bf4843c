#include "towpath/peft/compacter.hpp"

#include "../model/small.hpp"
#include "towpath/peft/pathway.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
template <class Method>
constexpr Index on_bert_base = parameters<Bert<BertBase, Repeat<12, TransformerLayer<BertBase, Method>>>>().trainable;
// The adapters library's 57,088 have one rule for all 48 projections.
static_assert(on_bert_base<Compacter<24>> == 60'096 && on_bert_base<Compacter<24>> - 47 * 64 == 57'088);
static_assert(std::is_same_v<Compacter<4>::function, Gelu> && std::is_same_v<Compacter<4, Silu>::function, Silu>);
static_assert(std::is_same_v<Compacter<4, Phm<2, 3>>::Chosen::made, Phm<2, 3>> && std::is_same_v<Compacter<4>::sites, Houlsby<4>::sites>);
}  // namespace

TEST_CASE("gradients of Compacter, alone and with a pathway round it") {
  CHECK_GRADIENTS(SmallBert<Compacter<4>>);
  CHECK_GRADIENTS_DROPPED(SmallBert<Compacter<2, Phm<2, 2>, at::BesideFfn, at::AroundAttentionNorm>>);
  CHECK_GRADIENTS(SmallBert<Compacter<4>, Pathway<Aside<2>>>);
}

TEST_CASE("Compacter starts at the backbone, bit for bit") { CHECK(starts_at_the_backbone<SmallBert<Compacter<4>>>()); }

TEST_CASE("Compacter's names") {
  const std::string at = "encoder.layer.0.output.adapter_";
  CHECK(names_of<Bert<Small, Repeat<1, TransformerLayer<Small, Compacter<4, at::PostFfn>>>>>() ==
        Names{at + "down.phm_rule", at + "down.W_left", at + "down.W_right", at + "down.bias", at + "up.phm_rule", at + "up.W_left", at + "up.W_right",
              at + "up.bias"});
}
