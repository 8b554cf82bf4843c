#include "towpath/peft/merge.hpp"

#include "towpath/io/checkpoint.hpp"
#include "towpath/ir/bi_encoder.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/dora.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

#include <cstdio>

using namespace towpath;

namespace {
using Env = Cpu<float>;

// A user's method that becomes part of weights: a gain for each hidden unit, (IA)³ as peft places it.
struct Gain {
  using sites = Sites<at::FfnHidden>;
  template <class E, class Site, Index Width>
  struct Module {
    static constexpr bool trains = true;
    Tensor<E> gain{Width};
    struct Grads {
      Tensor<E> gain{Width};
    };
    template <class Pass>
    struct Saved {};
    template <class Pass>
    static constexpr bool uses_input = Pass::learns;
    template <class Pass>
    Tensor<E> forward(E& env, View<E> x, Saved<Pass>&) const {
      return op::scale_columns<E>(env, x, gain);
    }
    template <class Pass>
    InputGradient<E, Pass> backward(E& env, View<E> dy, View<E> x, const Saved<Pass>&, Grads& g) const {
      op::column_dots_add<E>(env, dy, x, g.gain);
      if constexpr (Pass::wants_input) return op::scale_columns<E>(env, dy, gain);
      else return {};
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / "gain", Trainable{start::ones}, ms.gain...);
    }
  };
  static constexpr bool merges = true;
  template <class Site, class E, class Trained>
  static void merge(E& env, const Trained& trained, Tensor<E>& weight, Tensor<E>&) {
    weight = op::scale_columns<E>(env, weight, trained.gain);
  }
};
// Hidden units twice as large: cannot become part of a weight, for it says not how.
struct Stays : Gain {
  static constexpr bool merges = false;
};

// What is merged, where nothing else is: the backbone.
template <class... Methods>
constexpr bool becomes_plain = std::is_same_v<Merged<SmallBert<Methods...>>, SmallBert<>>;
static_assert(becomes_plain<> && becomes_plain<LoRA<2>, BitFit> &&
              becomes_plain<DoRA<2>, Tagged<"b", LoRA<2>>, LayerNormTuning> && becomes_plain<FullTuning>);
static_assert(becomes_plain<Gain> && !becomes_plain<Stays>);
static_assert(std::is_same_v<Merged<SmallBert<LoRA<2>, Adapter<2>, Prefix<1>>>, SmallBert<Adapter<2>, Prefix<1>>>);
static_assert(std::is_same_v<
              Merged<BiEncoder<
                  Bert<Small, Segments<Repeat<1, TransformerLayer<Small>>, Repeat<1, TransformerLayer<Small, LoRA<2>>>>,
                       BitFit, Pathway<Aside<2>>>,
                  MeanPooling>>,
              BiEncoder<Bert<Small, Segments<Repeat<1, TransformerLayer<Small>>, Repeat<1, TransformerLayer<Small>>>,
                             Pathway<Aside<2>>>,
                        MeanPooling>>);

double furthest(const Tensor<Env>& a, const Tensor<Env>& b) {
  double worst = a.size() == b.size() ? 0 : 1e9;
  for (Index i = 0; i < a.size(); ++i) worst = std::max(worst, std::fabs(double(a.data()[i]) - double(b.data()[i])));
  return worst;
}
const Ragged tokens = some_tokens({1, 7, 12, 3});

// merged says what tuned says, and something else than the backbone under it
template <class Arch>
void agrees() {
  Env env{{.threads = 1}};
  typename Arch::template On<Env> tuned;
  typename Merged<Arch>::template On<Env> plain;
  randomise(tuned, 1);
  initialise(plain, 1);
  const Tensor<Env> before = encoding(env, tuned, tokens);
  merge(env, tuned, plain);
  CHECK(same_bits(before, encoding(env, tuned, tokens)));
  const double off = furthest(before, encoding(env, plain, tokens));
  CHECK(off <= 1e-5);
  unmerge(env, tuned, plain);
  if (Merged<Arch>::trains || Arch::trains)
    CHECK(std::is_same_v<Arch, SmallBert<FullTuning>> == (furthest(before, encoding(env, plain, tokens)) < 1e-3));
}

}  // namespace

TEST_CASE("a merged model says what the tuned one says: LoRA, rsLoRA, DoRA") {
  agrees<SmallBert<LoRA<2>>>();
  agrees<SmallBert<LoRA<2, Alpha<6>, RankStabilised, BranchDropout, at::Key, at::AttentionOutput>>>();
  agrees<SmallBert<DoRA<3, Alpha<6>, at::Query, at::Key, at::Value, at::AttentionOutput, at::FfnIn, at::FfnOut>>>();
}

TEST_CASE("... gains, several at one projection, beside what stays, and what was tuned itself") {
  agrees<SmallBert<LoRA<2, at::FfnOut>, Gain>>();
  agrees<SmallBert<DoRA<2>, Tagged<"b", LoRA<3>>, Adapter<2>, Pathway<Aside<2>>, BitFit>>();
  agrees<SmallBert<FullTuning>>();
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
}  // namespace

TEST_CASE("nothing is lost without a word") {
  CHECK(complaint<SmallBert<LoRA<2>, Adapter<2>>, SmallBert<>>().find(
            "it has no place for encoder.layer.0.attention.output.adapter_down.weight") != std::string::npos);
  CHECK(complaint<SmallBert<LoRA<2>>, SmallBert<Adapter<2>>>().find(
            "it has encoder.layer.0.attention.output.adapter_down.weight, which") != std::string::npos);
  CHECK(complaint<SmallBert<LoRA<2>, Adapter<3>>, SmallBert<Adapter<2>>>().find("has other extents") !=
        std::string::npos);
  CHECK(complaint<SmallBert<LoRA<2>>, SmallBert<>>(false).find("this model has no weights yet") != std::string::npos);
  CHECK(complaint<SmallBert<Gain, Tagged<"b", Stays>>, SmallBert<Tagged<"b", Stays>>>().find("one that cannot") !=
        std::string::npos);
}
