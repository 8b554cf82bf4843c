// Prefixes that a network makes, and their collapse. (The table: prefix.cpp.)
#include "../model/small.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
template <class... Methods>
using One = Bert<Small, Repeat<1, TransformerLayer<Small, Methods...>>>;
template <class Method>
constexpr Index on_bert_base = parameters<Bert<BertBase, Repeat<12, TransformerLayer<BertBase, Method>>>>().trainable;
// In each layer E, W_d, b_d, W_u, b_u; where E and W_d are shared among layers it would be 20 · 768 + 768 · 512 + 512 + 12 (512 · 1536 + 1536).
static_assert(on_bert_base<Prefix<20, Mlp<512>>> == 12 * (20 * 768 + 768 * 512 + 512 + 512 * 1536 + 1536));
static_assert(on_bert_base<Prefix<20>> == 368'640);
static_assert(std::is_empty_v<One<Prefix<2, Mlp<3>>>::On<Cpu<float>>::Saved<Infer>>);
}  // namespace

TEST_CASE("gradients of a prefix that a network makes") {
  CHECK_GRADIENTS(SmallBert<Prefix<3, Mlp<5>>>);
  CHECK_GRADIENTS_DROPPED(SmallBert<Prefix<1, Mlp<2>>, LoRA<2, at::Key, at::Value>>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<Prefix<2, Mlp<3>>>, Pathway<Aside<3>>>);
}

TEST_CASE("its names") {
  const std::string at = "encoder.layer.0.attention.self.prefix_";
  CHECK(names_of<One<Prefix<2, Mlp<3>>>>() == Names{at + "embedding", at + "down.weight", at + "down.bias", at + "up.weight", at + "up.bias"});
}

TEST_CASE("collapsed, the model says the same, bit for bit") {
  using Env = Cpu<float>;
  using From = SmallBert<Prefix<3, Mlp<5>>, Adapter<2>>;
  using To = SmallBert<Prefix<3>, Adapter<2>>;
  Env env{{.threads = 1}};
  From::On<Env> from;
  To::On<Env> to;
  randomise(from, 1);
  initialise(to, 2);
  collapse(from, to);
  const Ragged tokens = some_tokens({3, 8, 1});
  CHECK(same_bits(encoding(env, from, tokens), encoding(env, to, tokens)));
  SmallBert<Prefix<2>>::On<Env> shorter;
  CHECK_THROWS_AS(collapse(from, shorter), Error);
  SmallBert<Prefix<3>, LoRA<2>>::On<Env> other;
  CHECK_THROWS_AS(collapse(from, other), Error);
}
