#include "towpath/peft/method.hpp"

#include "../model/small.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {

// A user's method: one learned gain per hidden unit of the feed-forward network.
struct Rescale {
  using sites = Sites<at::FfnHidden>;
  template <class Env, class Site, Index Width>
  struct Module {
    static constexpr bool trains = true;
    Tensor<Env> gain{Width};
    struct Grads {
      Tensor<Env> gain{Width};
    };
    template <class Pass>
    struct Saved {};
    template <class Pass>
    static constexpr bool uses_input = Pass::learns;

    template <class Pass>
    Tensor<Env> forward(Env& env, View<Env> x, Saved<Pass>&) const {
      return op::scale_columns<Env>(env, x, gain);
    }
    template <class Pass>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, View<Env> x, const Saved<Pass>&, Grads& g) const {
      op::column_dots_add<Env>(env, dy, x, g.gain);
      if constexpr (Pass::wants_input) return op::scale_columns<Env>(env, dy, gain);
      else return {};
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / "gain", Trainable{start::ones}, ms.gain...);
    }
  };
};

}  // namespace

static_assert(Method<Rescale> && Method<LoRA<2>> && Method<Tagged<"b", LoRA<2>>>);
static_assert(!Method<int> && !Method<at::Query>);
static_assert(claims<Rescale, at::FfnHidden> && !claims<Rescale, at::FfnIn> && claims<Tagged<"b", LoRA<2>>, at::Value>);

static_assert(std::is_same_v<detail::Parts<LoRA<2>, Together<BitFit, Together<Prefix<2>, Rescale>>, Tagged<"b", Together<LoRA<3>>>, Together<>>,
                             List<LoRA<2>, BitFit, Prefix<2>, Rescale, Tagged<"b", LoRA<3>>>>);

TEST_CASE("a method is a struct that names its sites and, for each, a module") {
  CHECK_GRADIENTS(SmallBert<Rescale>);
  CHECK(names_of<SmallBert<Rescale>>() == Names{"encoder.layer.0.intermediate.gain", "encoder.layer.1.intermediate.gain"});
  CHECK(starts_at_the_backbone<SmallBert<Rescale>>());
}

TEST_CASE("methods compose by their sites") {
  CHECK_GRADIENTS(SmallBert<Prefix<2>, LoRA<2, at::Value>, Adapter<3, at::BesideFfn>, Rescale>);
  CHECK_GRADIENTS(SmallBert<LoRA<2>, BitFit>);
  CHECK_GRADIENTS(SmallBert<FullTuning, LoRA<2>, Prefix<2>>);
  CHECK_GRADIENTS(SmallBert<BitFit, LayerNormTuning, LoRA<2, at::FfnOut>, Adapter<2>, Pathway<Aside<2>>, Prefix<1>, Rescale>);
}

TEST_CASE("the same method once more, under a tag") {
  CHECK_GRADIENTS(SmallBert<LoRA<2>, Tagged<"b", LoRA<3, at::Value>>>);
  CHECK_GRADIENTS(SmallBert<Adapter<2>, Tagged<"second", Adapter<3, Gelu>>>);
  using Two = Bert<Small, Repeat<1, TransformerLayer<Small, LoRA<2, at::Value>, Tagged<"b", LoRA<3, at::Value>>>>>;
  CHECK(names_of<Two>() == Names{"encoder.layer.0.attention.self.value.lora_A.weight", "encoder.layer.0.attention.self.value.lora_B.weight",
                                 "encoder.layer.0.attention.self.value.b.lora_A.weight",
                                 "encoder.layer.0.attention.self.value.b.lora_B.weight"});
  CHECK(starts_at_the_backbone<SmallBert<LoRA<2>, Tagged<"b", LoRA<3>>>>());
}

TEST_CASE("several methods under one name, in a layer and in a model") {
  using Apart = Bert<Small, SmallStack<LoRA<2>, BitFit>, BitFit, Pathway<Aside<2>>>;
  using One = Bert<Small, SmallStack<Together<LoRA<2>, BitFit>>, Together<BitFit, Pathway<Aside<2>>>>;
  CHECK(names_of<One>() == names_of<Apart>());
  CHECK(names_of<One>(true) == names_of<Apart>(true));
}

TEST_CASE("what a method adds is marked as added, what it flips is not") {
  SmallBert<LoRA<2>, BitFit>::On<Cpu<float>> model;
  for (const auto& leaf : trained_leaves(model)) CHECK(leaf.added == (leaf.name.find("lora_") != std::string::npos));
}
