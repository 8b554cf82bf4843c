#include "towpath/nn/around.hpp"

#include "towpath/nn/linear.hpp"
#include "towpath/nn/under.hpp"

#include "gradients.hpp"

#include <doctest/doctest.h>

#include <string>
#include <type_traits>
#include <vector>

using namespace towpath;

namespace {

// y = x Wᵀ ⊙ g, g [1, 3], a gain within a projection whose weight it asks for
struct Gain {
  static constexpr bool trains = true;
  template <class Env>
  struct On {
    static constexpr bool trains = true;
    Tensor<Env> gain{3};
    struct Grads {
      Tensor<Env> gain{3};
    };
    template <class Pass>
    struct Saved {
      [[no_unique_address]] If<Pass::learns, Tensor<Env>, tag::kept> product;
    };
    template <class Pass>
    static constexpr bool uses_input = false;

    template <class Pass, class Base>
    Tensor<Env> forward(Env& env, const Base& base, View<Env> x, Saved<Pass>& saved,
                        const op::FinishOf<Env>& finish) const {
      Tensor<Env> u = op::nt<Env>(env, x, base.weight), y = op::scale_columns<Env>(env, u, gain);
      if constexpr (Pass::learns) saved.product = std::move(u);
      op::finish<Env>(env, y, finish);
      return y;
    }
    template <class Pass, class Base>
    InputGradient<Env, Pass> backward(Env& env, const Base& base, View<Env> dy, View<Env>, Saved<Pass>& saved,
                                      typename Base::Grads&, Grads& g, const op::FinishOf<Env>& finish) const {
      op::column_dots_add<Env>(env, dy, saved.product, g.gain);
      if constexpr (Pass::wants_input)
        return op::nn<Env>(env, op::scale_columns<Env>(env, dy, gain), base.weight, finish);
      else return {};
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / "gain", Trainable{start::ones}, ms.gain...);
    }
  };
};

using Env = Cpu<double>;
using M = Around<Linear<4, 3, Leaf::frozen, Leaf::absent>, Gain>;
static_assert(Module<M::On<Env>, Env> && M::trains && !M::On<Env>::uses_input<Learn<true>>);
static_assert(std::is_empty_v<M::On<Env>::Saved<Infer>>);

}  // namespace

TEST_CASE("gradients of a module round a projection") { gradients::right_both<M>(4); }

TEST_CASE("the projection's parameters first, then the module's; its weight stays frozen") {
  std::vector<std::string> names;
  const M::On<Blueprint> m{};
  visit(m, [&](const Parameter& p) { names.push_back(std::string(p.name) + (p.trains ? " trains" : "")); });
  CHECK(names == std::vector<std::string>{"weight", "gain trains"});
}
