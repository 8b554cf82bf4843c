// The budgets of reference/iaa.md (Ma et al., CIKM 2022, arXiv 2208.09847, Tables 2-4) on BERT-base as constants. The paper counts
// weights only; we count biases too, and say which is which.
#include "towpath/ir/cross_encoder.hpp"
#include "towpath/model/bert.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"

using namespace towpath;

namespace {

template <class... Methods>
using Stack = Repeat<12, TransformerLayer<BertBase, Methods...>>;
template <class Stack, class... Methods>
constexpr Index trained = parameters<Bert<BertBase, Stack, Methods...>>().trainable;
template <Index R, Index W = 768>
constexpr Index weights = 2 * R * W;  // of a bottleneck
template <Index R, Index W = 768>
constexpr Index biases = R + W;

// The whole: 109,482,240 with the pooler (768 · 768 + 768), which an encoder without a head does not have.
constexpr Index everything = 109'482'240 - (768 * 768 + 768);
static_assert(parameters<Bert<BertBase, Stack<>>>().total == everything);
static_assert(everything == (30522 + 512 + 2 + 2) * 768 + 12 * (4 * (768 * 768 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768));
static_assert(trained<Stack<>> == 0);
static_assert(trained<Stack<FullTuning>, FullTuning> == everything);
static_assert(trained<Stack<FullTuning>> == everything - (30522 + 512 + 2 + 2) * 768);

static_assert(trained<Stack<BitFit>, BitFit> == 102'144);
// With the pooler's bias: that is a head's, which trains as a whole beside any method.
template <class Arch>
constexpr Index trained_biases = [] {
  Index n = 0;
  const typename Arch::template On<Blueprint> model{};
  visit(model, [&](const Parameter& p) {
    if (p.trains && p.name.ends_with(".bias") && p.name != "classifier.bias") n += p.size();
  });
  return n;
}();
static_assert(trained_biases<Bert<BertBase, Stack<BitFit>, BitFit>> == 102'144);
static_assert(trained_biases<CrossEncoder<Bert<BertBase, Stack<BitFit>, BitFit>>> == 102'912);
static_assert(trained<Stack<LayerNormTuning>, LayerNormTuning> == 25 * 2 * 768);
static_assert(trained<Stack<LayerNormTuning>, LayerNormTuning> == 38'400);
static_assert(trained<Stack<LayerNormTuning, BitFit>, LayerNormTuning, BitFit> == 102'144 + 25 * 768);

static_assert(trained<Stack<LoRA<16>>> == 589'824 && trained<Stack<LoRA<200>>> == 7'372'800);
static_assert(trained<Stack<LoRA<16, Alpha<32>>>> == 589'824);
static_assert(trained<Stack<LoRA<8, at::Query, at::Key, at::Value, at::AttentionOutput, at::FfnIn, at::FfnOut>>> == 1'327'104);
static_assert(trained<Stack<Prefix<32>>> == 589'824 && trained<Stack<Prefix<200>>> == 3'686'400);

// Houlsby: 589,824 and 7,372,800 weights.
static_assert(trained<Stack<Adapter<16>>> == 589'824 + 24 * biases<16> && trained<Stack<Adapter<16>>> == 608'640);
static_assert(trained<Stack<Adapter<200>>> == 7'372'800 + 24 * biases<200> && trained<Stack<Adapter<200>>> == 7'396'032);

// MAM: the same weights, 12 bottlenecks' biases.
static_assert(trained<Stack<Prefix<16>, Adapter<16, at::BesideFfn>>> == 589'824 + 12 * biases<16>);
static_assert(trained<Stack<Prefix<16>, Adapter<16, at::BesideFfn>>> == 599'232);
static_assert(trained<Stack<Prefix<200>, Adapter<200, at::BesideFfn>>> == 7'372'800 + 12 * biases<200>);
static_assert(trained<Stack<Prefix<200>, Adapter<200, at::BesideFfn>>> == 7'384'416);

// IAA: 24 · r + n · ar = 384 (or 4,800) ranks, n = 24, 12, 1 modules aside.
template <Index R, Index A>
constexpr Index iaa_s = trained<Stack<Adapter<R>, Pathway<Aside<A>, at::OutsideAttention, at::OutsideFfn>>>;
template <Index R, Index A>
constexpr Index iaa_l = trained<Stack<Adapter<R>, Pathway<Aside<A>>>>;
template <Index R, Index A>
constexpr Index iaa_m = trained<Stack<Adapter<R>>, Pathway<Aside<A>>>;

static_assert(24 * weights<8> + 24 * weights<8> == 589'824);
static_assert(iaa_s<8, 8> == 589'824 + 48 * biases<8> && iaa_s<8, 8> == 627'072);
static_assert(iaa_s<100, 100> == 7'372'800 + 48 * biases<100> && iaa_s<100, 100> == 7'414'464);

static_assert(24 * weights<12> + 12 * weights<12> == 663'552);
static_assert(iaa_l<12, 12> == 663'552 + 36 * biases<12> && iaa_l<12, 12> == 691'632);
static_assert(iaa_l<50, 300> == 7'372'800 + 24 * biases<50> + 12 * biases<300> && iaa_l<50, 300> == 7'405'248);

static_assert(24 * weights<15> + weights<24> == 589'824);
static_assert(iaa_m<15, 24> == 589'824 + 24 * biases<15> + biases<24> && iaa_m<15, 24> == 609'408);
static_assert(24 * weights<185> + weights<960> == 8'294'400);  // the aside rank exceeds the width, as in the paper
static_assert(iaa_m<185, 960> == 8'294'400 + 24 * biases<185> + biases<960> && iaa_m<185, 960> == 8'319'000);

// What a method adds does not depend on what stands below or beside it, and the total is the backbone plus what was added.
static_assert(trained<Segments<Repeat<10, TransformerLayer<BertBase>>, Repeat<2, TransformerLayer<BertBase, LoRA<16>>>>> == 589'824 / 6);
static_assert(parameters<Bert<BertBase, Stack<LoRA<16>, Adapter<16>>>>().total == everything + 589'824 + 608'640);
static_assert(parameters<Bert<BertBase, Stack<BitFit>, BitFit>>().total == everything);
static_assert(parameters<Freeze<Bert<BertBase, Stack<LoRA<16>>>>>().trainable == 0);
static_assert(parameters<Freeze<Bert<BertBase, Stack<LoRA<16>>>>>().total == everything + 589'824);
static_assert(parameters<Bert<BertBase, Stack<LoRA<16>>>>().percent() > 0.53 && parameters<Bert<BertBase, Stack<LoRA<16>>>>().percent() < 0.54);

}  // namespace
