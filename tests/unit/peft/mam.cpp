#include "towpath/peft/mam.hpp"

#include "../model/small.hpp"
#include "towpath/peft/pathway.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
template <class Method>
constexpr Index on_bert_base = parameters<Bert<BertBase, Repeat<12, TransformerLayer<BertBase, Method>>>>().trainable;
// The weights of the IAA paper, and 12 bottlenecks' biases.
static_assert(on_bert_base<MAM<16, 16>> == 589'824 + 12 * (16 + 768) && on_bert_base<MAM<200, 200>> == 7'372'800 + 12 * (200 + 768));
static_assert(on_bert_base<MAM<>> == 12 * (2 * 30 * 768 + 2 * 512 * 768 + 512 + 768));
static_assert(Adapter<2, at::BesideFfn, Scale<2>, Scale<4>>::Chosen::scale::numerator == 2);  // the user's before the alias's
}  // namespace

TEST_CASE("gradients of MAM, alone and with a pathway round it") {
  CHECK_GRADIENTS(SmallBert<MAM<2, 3>>);
  CHECK_GRADIENTS(SmallBert<MAM<2, 3, Scale<1, 2>, Gelu>, Pathway<Aside<2>, at::OutsideAttention, at::OutsideFfn>>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<MAM<1, 2>>, Pathway<Aside<2>>>);
}

TEST_CASE("MAM is its two parts, bit for bit") {
  using Env = Cpu<float>;
  Env env{{.threads = 1}};
  SmallBert<MAM<2, 3>>::On<Env> a;
  SmallBert<Prefix<2>, Adapter<3, at::BesideFfn, Scale<4>>>::On<Env> b;
  SmallBert<Prefix<2>, Adapter<3, at::BesideFfn>>::On<Env> unscaled;
  randomise(a, 1), randomise(b, 1), randomise(unscaled, 1);
  const Ragged tokens = some_tokens({3, 8, 1});
  CHECK(same_bits(encoding(env, a, tokens), encoding(env, b, tokens)));
  CHECK(!same_bits(encoding(env, a, tokens), encoding(env, unscaled, tokens)));
}

TEST_CASE("the adapter's first projection starts Kaiming-uniform, its second at zero") {
  SmallBert<MAM<2, 3>>::On<Cpu<float>> model;
  initialise(model, 1);
  const float bound = 1 / std::sqrt(static_cast<float>(Small::hidden));
  int seen = 0;
  for (const auto& leaf : trained_leaves(model)) {
    float largest = 0;
    for (Index k = 0; k < leaf.size(); ++k) largest = std::max(largest, std::fabs(leaf.view().data[k]));
    const bool down = leaf.name.ends_with("parallel_down.weight"), up = leaf.name.ends_with("parallel_up.weight");
    if (down) CHECK((largest > bound / 2 && largest <= bound));
    if (up) CHECK(largest == 0);
    seen += down || up;
  }
  CHECK(seen == 4);
}
