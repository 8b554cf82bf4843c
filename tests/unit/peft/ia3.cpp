#include "towpath/peft/ia3.hpp"

#include "../model/small.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
using Peft = Ia3<at::Keys, at::Values, at::Context, at::FfnHidden>;
using AdapterHub = Ia3<at::Keys, at::Values, at::FfnArgument>;
template <class... Methods>
using One = Bert<Small, Repeat<1, TransformerLayer<Small, Methods...>>>;

template <class Method>
constexpr Index on_bert_base = parameters<Bert<BertBase, Repeat<12, TransformerLayer<BertBase, Method>>>>().trainable;
static_assert(on_bert_base<Ia3<>> == 55'296 && on_bert_base<Peft> == 64'512 && on_bert_base<AdapterHub> == 55'296);
}  // namespace

TEST_CASE("gradients of (IA)3 at its own sites, at peft's, at the adapters library's") {
  CHECK_GRADIENTS(SmallBert<Ia3<>>);
  CHECK_GRADIENTS_DROPPED(SmallBert<Peft>);
  CHECK_GRADIENTS(SmallBert<AdapterHub>);
}

TEST_CASE("gradients of (IA)3 in company, and with a pathway round it") {
  CHECK_GRADIENTS(SmallBert<Prefix<2>, Ia3<>, Adapter<2, at::BesideFfn>, Pathway<Aside<2>>>);
}

TEST_CASE("(IA)3 starts at the backbone, bit for bit") {
  CHECK(starts_at_the_backbone<SmallBert<Ia3<>>>());
  CHECK(starts_at_the_backbone<SmallBert<Peft>>());
  CHECK(starts_at_the_backbone<SmallBert<AdapterHub>>());
}

TEST_CASE("names: ia3_l under what it multiplies") {
  CHECK(names_of<One<Ia3<>>>() ==
        Names{"encoder.layer.0.attention.self.key.ia3_l", "encoder.layer.0.attention.self.value.ia3_l", "encoder.layer.0.intermediate.ia3_l"});
  CHECK(names_of<One<Ia3<at::Context, at::FfnArgument>>>() ==
        Names{"encoder.layer.0.attention.output.dense.ia3_l", "encoder.layer.0.intermediate.dense.ia3_l"});
}
