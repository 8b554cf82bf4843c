#include "towpath/autodiff/check.hpp"
#include "towpath/nn/linear.hpp"

#include "../tolerances.hpp"

#include <doctest/doctest.h>
#include <limits>
#include <string>
#include <type_traits>

using namespace towpath;

namespace {
// A gain for each column, right or wrong in one way each.
enum class Mistake { none, gain_without_x, gain_twice, gain_forgotten, input_without_gain, input_sign, one_entry };
template <Mistake mistake>
struct Gain {
  static constexpr bool trains = true;
  template <class Env>
  struct On {
    static constexpr bool trains = true;
    Tensor<Env> gain{Index{6}}, shift{Index{6}};
    struct Grads {
      Tensor<Env> gain{Index{6}}, shift{Index{6}};
    };
    template <class Pass>
    struct Saved {};
    template <class Pass>
    static constexpr bool uses_input = Pass::learns;

    template <class Pass>
    Tensor<Env> forward(Env& env, View<Env> x, Saved<Pass>&) const {
      auto y = op::scale_columns(env, x, gain);
      op::add_row(env, shift, y);
      return y;
    }
    template <class Pass>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, View<Env> x, const Saved<Pass>&, Grads& g) const {
      op::column_sums_add(env, dy, g.shift);
      if constexpr (mistake == Mistake::gain_without_x) op::column_sums_add(env, dy, g.gain);
      else if constexpr (mistake != Mistake::gain_forgotten) op::column_dots_add(env, dy, x, g.gain);
      if constexpr (mistake == Mistake::gain_twice) op::column_dots_add(env, dy, x, g.gain);
      if constexpr (mistake == Mistake::one_entry) g.gain.data()[3] *= 1.01;
      if constexpr (!Pass::wants_input) {
        return {};
      } else {
        if constexpr (mistake == Mistake::input_without_gain) return op::copy(env, dy);
        auto dx = op::scale_columns(env, dy, gain);
        if constexpr (mistake == Mistake::input_sign) op::scale(env, -1.0, dx);
        return dx;
      }
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / "gain", Trainable{start::ones}, ms.gain...);
      f(at / "shift", Trainable{}, ms.shift...);
    }
  };
};
const CheckOptions options{.lengths = {1, 2, 5}, .width = 6};
}  // namespace

TEST_CASE("a right module passes, under both passes, and something was compared") {
  const auto with_input = check_gradients<Gain<Mistake::none>, Learn<true>>(1, options);
  CHECK(with_input.worst < tolerance::gradient);
  CHECK(with_input.compared == 3 * 4);  // gain, shift, input: a direction and three entries each
  const auto without = check_gradients<Gain<Mistake::none>>(1, options);
  CHECK(without.worst < tolerance::gradient);
  CHECK(without.compared == 2 * 4);
  CHECK(check_gradients<Gain<Mistake::none>>(1, {.lengths = {1}, .width = 6, .entries = 0}).compared == 2);
}

TEST_CASE("a wrong gradient of a parameter is caught, and named") {
  const auto caught = []<Mistake m>(std::integral_constant<Mistake, m>) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const auto c = check_gradients<Gain<m>, Learn<true>>(seed, options);
      CHECK(c.worst > tolerance::wrong_gradient);
      CHECK(c.where.rfind("gain", 0) == 0);
      CHECK(check_gradients<Gain<m>>(seed, options).worst > tolerance::wrong_gradient);
    }
  };
  caught(std::integral_constant<Mistake, Mistake::gain_without_x>{});
  caught(std::integral_constant<Mistake, Mistake::gain_twice>{});
  caught(std::integral_constant<Mistake, Mistake::gain_forgotten>{});
}

TEST_CASE("a wrong gradient of the input is caught where it is wanted, and named") {
  const auto caught = []<Mistake m>(std::integral_constant<Mistake, m>) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const auto c = check_gradients<Gain<m>, Learn<true>>(seed, options);
      CHECK(c.worst > tolerance::wrong_gradient);
      CHECK(c.where.rfind("(input)", 0) == 0);
      CHECK(check_gradients<Gain<m>>(seed, options).worst < tolerance::gradient);  // nobody asked for it
    }
  };
  caught(std::integral_constant<Mistake, Mistake::input_without_gain>{});
  caught(std::integral_constant<Mistake, Mistake::input_sign>{});
}

TEST_CASE("one entry that is wrong by a hundredth shows in the direction") {
  CHECK(check_gradients<Gain<Mistake::one_entry>, Learn<true>>(1, options).worst > 1e-4);
}

TEST_CASE("the same seed checks the same numbers") {
  const auto a = check_gradients<Linear<3, 4>, Learn<true>>(5, {.lengths = {3, 1}, .width = 3});
  const auto b = check_gradients<Linear<3, 4>, Learn<true>>(5, {.lengths = {3, 1}, .width = 3});
  CHECK(a.worst == b.worst);
  CHECK(a.where == b.where);
}

// A module whose backward is right but gives NaN somewhere must not pass.
namespace {
struct NotANumber {
  static constexpr bool trains = true;
  template <class Env>
  struct On : Gain<Mistake::none>::On<Env> {
    using Base = typename Gain<Mistake::none>::template On<Env>;
    template <class Pass>
    InputGradient<Env, Pass> backward(Env& env, View<Env> dy, View<Env> x, const typename Base::template Saved<Pass>& s,
                                      typename Base::Grads& g) const {
      auto dx = Base::template backward<Pass>(env, dy, x, s, g);
      g.shift.data()[0] = std::numeric_limits<double>::quiet_NaN();
      return dx;
    }
  };
};
}  // namespace
TEST_CASE("NaN is not close to anything") {
  const auto c = check_gradients<NotANumber>(1, options);
  CHECK_FALSE(c.worst < 1);
  CHECK(c.where.rfind("shift", 0) == 0);
}
