#include "towpath/autodiff/module.hpp"
#include "towpath/nn/activation.hpp"
#include "towpath/nn/linear.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <string>
#include <type_traits>
#include <vector>

using namespace towpath;

namespace {
using Env = Reference<float>;

// A whole module, and one with each thing missing or wrong.
struct Whole {
  static constexpr bool trains = true;
  struct Grads {};
  template <class Pass>
  struct Saved {};
  template <class Pass>
  static constexpr bool uses_input = false;
  template <class Pass>
  Tensor<Env> forward(Env&, View<Env>, Saved<Pass>&) const;
  template <class Pass>
  InputGradient<Env, Pass> backward(Env&, View<Env>, View<Env>, const Saved<Pass>&, Grads&) const;
  template <class F, class... Ms>
  static void visit(F&&, const Path&, Ms&...);
};
struct NoTrains {
  struct Grads {};
};
struct NoGrads {
  static constexpr bool trains = false;
};
struct NoVisit : Whole {
  void visit();
};
struct VisitOfAnInstance : Whole {
  template <class F, class... Ms>
  void visit(F&&, const Path&, Ms&...);
};
struct NoSaved {
  static constexpr bool trains = false;
  struct Grads {};
  template <class Pass>
  [[maybe_unused]] static constexpr bool uses_input = false;
  template <class F, class... Ms>
  static void visit(F&&, const Path&, Ms&...);
};
struct NoUsesInput : Whole {
  void uses_input();
};
struct NoForward : Whole {
  void forward();
};
struct ForwardChangesIt : Whole {  // not const
  template <class Pass>
  Tensor<Env> forward(Env&, View<Env>, Saved<Pass>&);
};
struct ForwardGivesAView : Whole {
  template <class Pass>
  View<Env> forward(Env&, View<Env>, Saved<Pass>&) const;
};
struct NoBackward : Whole {
  void backward();
};
struct BackwardGivesNothing : Whole {
  template <class Pass>
  void backward(Env&, View<Env>, View<Env>, const Saved<Pass>&, Grads&) const;
};
struct BackwardAlwaysGivesIt : Whole {
  template <class Pass>
  Tensor<Env> backward(Env&, View<Env>, View<Env>, const Saved<Pass>&, Grads&) const;
};

static_assert(Module<Whole, Env> && check_module<Whole, Env>());
static_assert(!Described<NoTrains> && !Described<NoGrads> && Described<Whole>);
static_assert(Named<Whole> && !Named<NoVisit> && !Named<VisitOfAnInstance> && !Module<NoVisit, Env>);
static_assert(Remembers<Whole, Learn<true>> && !Remembers<NoSaved, Learn<true>> && !Remembers<NoUsesInput, Learn<true>>);
static_assert(Runs<Whole, Env, Infer> && !Runs<NoForward, Env, Infer> && !Runs<ForwardChangesIt, Env, Infer> &&
              !Runs<ForwardGivesAView, Env, Infer>);
static_assert(Reverses<Whole, Env, Learn<true>> && !Reverses<NoBackward, Env, Learn<true>> &&
              !Reverses<BackwardGivesNothing, Env, Learn<true>>);
static_assert(Reverses<BackwardAlwaysGivesIt, Env, Learn<true>> && !Reverses<BackwardAlwaysGivesIt, Env, Learn<false>>);
static_assert(!Module<NoSaved, Env> && !Module<NoUsesInput, Env> && !Module<NoForward, Env> && !Module<NoBackward, Env>);
static_assert(!Module<int, Env> && !Module<Tensor<Env>, Env>);

// Those of the library are; a description without an environment is not.
using Projection = Linear<3, 4>;
static_assert(Module<Projection::On<Env>, Env> && Module<Linear<3, 4, Leaf::frozen, Leaf::absent>::On<Env>, Env> &&
              Module<Activation<Gelu>::On<Env>, Env>);
static_assert(!Module<Projection, Env> && !Module<Projection::On<Env>, Reference<double>>);

// Leaves.
static_assert(Trained<true>::trains && !Trained<false>::trains && leaf(true) == Leaf::trained && leaf(false) == Leaf::frozen);
static_assert(std::is_same_v<LeafTensor<Env, Leaf::trained, tag::bias>, Tensor<Env>> &&
              std::is_same_v<LeafTensor<Env, Leaf::frozen, tag::bias>, SharedTensor<Env>> &&
              std::is_same_v<LeafTensor<Env, Leaf::absent, tag::bias>, Nothing<tag::bias>>);
static_assert(std::is_same_v<LeafGradient<Env, Leaf::trained, tag::bias>, Tensor<Env>> &&
              is_nothing<LeafGradient<Env, Leaf::frozen, tag::bias>> && is_nothing<LeafGradient<Env, Leaf::absent, tag::bias>>);
static_assert(is_nothing<decltype(blank<Nothing<tag::bias>>(3, 4))> && blank<Tensor<Blueprint>>(3, 4).size() == 12);

// Starting rules.
static_assert(start::zeros.kind == Start::Kind::constant && start::zeros.scale == 0 && start::ones.scale == 1);
static_assert(start::Zeros::of(7).scale == 0 && start::Bert::of(7).kind == Start::Kind::normal && start::Bert::of(7).scale == 0.02f);
static_assert(start::kaiming(384).kind == Start::Kind::uniform && start::kaiming(16).scale == 0.25f);
}  // namespace

TEST_CASE("kaiming's bound is 1 / sqrt(fan_in), from one input to very many") {
  for (const Index n : {1, 2, 16, 384, 1536, 30522, 100000000}) {
    CAPTURE(n);
    CHECK(start::kaiming(n).scale == doctest::Approx(1 / std::sqrt(static_cast<double>(n))).epsilon(1e-6));
  }
}

TEST_CASE("visit hands out names, tags and leaves") {
  Projection::On<Env> m;
  std::vector<std::string> names;
  Projection::On<Env>::visit(
      [&](const Path& at, auto tag, Tensor<Env>& w) {
        names.push_back(at.string() + " " + std::to_string(w.rows()) + "x" + std::to_string(w.columns()));
        CHECK(decltype(tag)::trains);
        CHECK_FALSE(tag.added);
      },
      Path{} / "top", m);
  CHECK(names == std::vector<std::string>{"top.weight 4x3", "top.bias 1x4"});
}
