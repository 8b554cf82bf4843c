#include "towpath/peft/merge.hpp"

#include "towpath/io/checkpoint.hpp"
#include "towpath/ir/bi_encoder.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/dora.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/ia3.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"
#include "towpath/peft/unipelt.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

#include <cstdio>

using namespace towpath;

namespace {
using Env = Cpu<float>;

using Everywhere = Ia3<at::Keys, at::Values, at::Context, at::FfnArgument, at::FfnHidden>;
// A user's method that says not how it becomes part of a weight.
template <class Site>
struct Stays : Ia3<Site> {
  using family = Stays;
  static constexpr bool merges = false;
};

// What is merged, where nothing else is: the backbone.
template <class... Methods>
constexpr bool becomes_plain = std::is_same_v<Merged<SmallBert<Methods...>>, SmallBert<>>;
static_assert(becomes_plain<> && becomes_plain<LoRA<2>, BitFit> &&
              becomes_plain<DoRA<2>, Tagged<"b", LoRA<2>>, LayerNormTuning> && becomes_plain<FullTuning>);
static_assert(becomes_plain<Ia3<>> && becomes_plain<LoRA<2>, Everywhere> && !becomes_plain<Stays<at::FfnHidden>>);
static_assert(std::is_same_v<Merged<SmallBert<Gated<LoRA<2>>, Everywhere>>, SmallBert<Gated<LoRA<2>>>>);
static_assert(std::is_same_v<Merged<SmallBert<LoRA<2>, Adapter<2>, Prefix<1>>>, SmallBert<Adapter<2>, Prefix<1>>>);
static_assert(std::is_same_v<
              Merged<BiEncoder<
                  Bert<Small, Segments<Repeat<1, TransformerLayer<Small>>, Repeat<1, TransformerLayer<Small, LoRA<2>>>>,
                       BitFit, Pathway<Aside<2>>>,
                  MeanPooling>>,
              BiEncoder<Bert<Small, Segments<Repeat<1, TransformerLayer<Small>>, Repeat<1, TransformerLayer<Small>>>,
                             Pathway<Aside<2>>>,
                        MeanPooling>>);

template <class E>
double furthest(const Tensor<E>& a, const Tensor<E>& b) {
  double worst = a.size() == b.size() ? 0 : 1e9;
  for (Index i = 0; i < a.size(); ++i) worst = std::max(worst, std::fabs(double(a.data()[i]) - double(b.data()[i])));
  return worst;
}
const Ragged tokens = some_tokens({1, 7, 12, 3});

// merged says what tuned says, and something else than the backbone under it, which unmerge gives back
template <class Arch, class E = Env>
void agrees() {
  E env{{.threads = 1}};
  typename Arch::template On<E> tuned;
  typename Merged<Arch>::template On<E> plain;
  randomise(tuned, 1);
  initialise(plain, 1);
  const Tensor<E> before = encoding(env, tuned, tokens);
  merge(env, tuned, plain);
  CHECK(same_bits(before, encoding(env, tuned, tokens)));
  const double off = furthest(before, encoding(env, plain, tokens));
  CHECK(off <= (std::is_same_v<E, Env> ? 1e-5 : 1e-12));
  unmerge(env, tuned, plain);
  if (Merged<Arch>::trains || Arch::trains)
    CHECK(std::is_same_v<Arch, SmallBert<FullTuning>> == (furthest(before, encoding(env, plain, tokens)) < 1e-3));
  std::map<std::string, View<E>> theirs;
  for (const auto& leaf : leaves(tuned)) theirs[leaf.name] = leaf.view();
  for (const auto& leaf : leaves(plain))
    CHECK_MESSAGE(std::memcmp(leaf.view().data, theirs.at(leaf.name).data,
                              static_cast<std::size_t>(leaf.size()) * sizeof(typename E::Scalar)) == 0,
                  leaf.name);
}
template <class Arch>
void agrees_in_both() {
  agrees<Arch>(), agrees<Arch, Cpu<double>>();
}

}  // namespace

TEST_CASE("a merged model says what the tuned one says: LoRA, rsLoRA, DoRA") {
  agrees<SmallBert<LoRA<2>>>();
  agrees<SmallBert<LoRA<2, Alpha<6>, RankStabilised, BranchDropout, at::Key, at::AttentionOutput>>>();
  agrees<SmallBert<DoRA<3, Alpha<6>, at::Query, at::Key, at::Value, at::AttentionOutput, at::FfnIn, at::FfnOut>>>();
}

TEST_CASE("... several at one projection, beside what stays, and what was tuned itself") {
  agrees<SmallBert<DoRA<2>, Tagged<"b", LoRA<3>>, Adapter<2>, Pathway<Aside<2>>, BitFit>>();
  agrees<SmallBert<FullTuning>>();
}

TEST_CASE("... (IA)3, at each of its sites") {
  agrees_in_both<SmallBert<Ia3<at::Keys>>>();
  agrees_in_both<SmallBert<Ia3<at::Values>>>();
  agrees_in_both<SmallBert<Ia3<at::Context>>>();
  agrees_in_both<SmallBert<Ia3<at::FfnArgument>>>();
  agrees_in_both<SmallBert<Ia3<at::FfnHidden>>>();
}

TEST_CASE("... (IA)3 round deltas, which become part of the weight before it, in whatever order they are written") {
  using Deltas = LoRA<2, at::Query, at::Key, at::Value, at::AttentionOutput, at::FfnIn, at::FfnOut>;
  agrees_in_both<SmallBert<Deltas, Everywhere>>();
  agrees_in_both<SmallBert<Everywhere, Tagged<"b", Everywhere>, Deltas>>();
  agrees_in_both<SmallBert<Ia3<>, DoRA<2, at::Key, at::Value, at::FfnOut>, BitFit, Prefix<2>>>();
}

TEST_CASE("... what stands at the same projection and stays does not reach it") {
  agrees<SmallBert<UniPELT<2, 3, 2>, LoRA<2, at::Key>, Ia3<at::Keys, at::Context, at::FfnHidden>>>();
  agrees<SmallBert<Stays<at::Keys>, LoRA<2, at::Key>>>();
  agrees<SmallBert<LoRA<2, at::FfnOut>, Stays<at::FfnHidden>>>();
}

TEST_CASE("merging touches neither the tuned model nor others over the backbone; unmerge gives back every byte") {
  using Arch = SmallBert<LoRA<2, at::Query>>;
  Env env{{.threads = 1}};
  SmallBert<>::On<Env> plain, merged;
  randomise(plain, 3);
  save(plain, "merge_backbone.safetensors");
  const Safetensors file{"merge_backbone.safetensors"};
  Arch::On<Env> tuned, other;
  randomise(tuned, 5);
  randomise(other, 6);
  load(plain, file);
  share(plain, tuned);
  share(plain, other);
  const Tensor<Env> says = encoding(env, plain, tokens), tuned_says = encoding(env, tuned, tokens),
                    other_says = encoding(env, other, tokens);

  merge(env, tuned, merged);
  const auto mine = leaves(merged), theirs = leaves(plain);
  REQUIRE(mine.size() == theirs.size());
  for (std::size_t i = 0; i < mine.size(); ++i) {
    const bool touched = mine[i].name.ends_with("self.query.weight") || mine[i].name.ends_with("self.query.bias");
    CHECK_MESSAGE((mine[i].view().data != theirs[i].view().data) == touched, mine[i].name);
    CHECK((mine[i].shared->forms() != theirs[i].shared->forms()) == touched);  // nor do they share packed weights
  }
  CHECK(furthest(encoding(env, merged, tokens), tuned_says) <= 1e-5);
  CHECK(same_bits(encoding(env, plain, tokens), says));
  CHECK(same_bits(encoding(env, tuned, tokens), tuned_says));
  CHECK(same_bits(encoding(env, other, tokens), other_says));

  unmerge(env, tuned, merged);
  for (const auto& leaf : leaves(merged)) {
    const Entry* e = file.find(leaf.name);
    REQUIRE(e != nullptr);
    CHECK_MESSAGE(std::memcmp(e->data, leaf.view().data, static_cast<std::size_t>(leaf.size()) * sizeof(float)) == 0,
                  leaf.name);
  }
  CHECK(same_bits(encoding(env, merged, tokens), says));
  std::remove("merge_backbone.safetensors");
}

TEST_CASE("a merged model is saved as a backbone that loads without the method") {
  Env env{{.threads = 1}};
  SmallBert<DoRA<2>, BitFit>::On<Env> tuned;
  SmallBert<>::On<Env> merged, loaded;
  randomise(tuned, 1);
  merge(env, tuned, merged);
  save(merged, "merged.safetensors");
  load(loaded, Safetensors{"merged.safetensors"});
  CHECK(same_bits(encoding(env, loaded, tokens), encoding(env, merged, tokens)));
  std::remove("merged.safetensors");
}

namespace {
template <class Arch, class To>
std::string complaint(bool filled = true) {
  Env env{{.threads = 1}};
  typename Arch::template On<Env> tuned;
  typename To::template On<Env> to;
  initialise(tuned, 1, filled ? Fill::everything : Fill::trained);
  try {
    merge(env, tuned, to);
  } catch (const Error& e) { return e.what(); }
  return {};
}
template <class Staying, class Merging>
bool stands_in_the_way(const std::string& projection) {
  return complaint<SmallBert<Staying, Merging>, SmallBert<Staying>>().find(
             "at encoder.layer.0." + projection + " stand a method that can") != std::string::npos;
}
}  // namespace

TEST_CASE("nothing is lost without a word") {
  CHECK(complaint<SmallBert<LoRA<2>, Adapter<2>>, SmallBert<>>().find(
            "it has no place for encoder.layer.0.attention.output.adapter_down.weight") != std::string::npos);
  CHECK(complaint<SmallBert<LoRA<2>>, SmallBert<Adapter<2>>>().find(
            "it has encoder.layer.0.attention.output.adapter_down.weight, which") != std::string::npos);
  CHECK(complaint<SmallBert<LoRA<2>, Adapter<3>>, SmallBert<Adapter<2>>>().find("has other extents") !=
        std::string::npos);
  CHECK(complaint<SmallBert<LoRA<2>>, SmallBert<>>(false).find("this model has no weights yet") != std::string::npos);
}

TEST_CASE("a method that stays keeps others out of its projection, where they would change what it says") {
  CHECK(stands_in_the_way<Stays<at::FfnHidden>, Ia3<at::FfnHidden>>("output.dense"));
  CHECK(stands_in_the_way<Stays<at::Keys>, Ia3<at::Keys>>("attention.self.key"));
  CHECK(stands_in_the_way<Gated<LoRA<2, at::Key>>, Ia3<at::Keys>>("attention.self.key"));    // l ⊙ (K(x) + g Δ(x))
  CHECK(stands_in_the_way<Gated<LoRA<2, at::FfnOut>>, Ia3<at::FfnHidden>>("output.dense"));  // Δ reads what was scaled
  CHECK(stands_in_the_way<Gated<LoRA<2, at::AttentionOutput>>, Ia3<at::Context>>("attention.output.dense"));
}
