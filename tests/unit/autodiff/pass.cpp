#include "towpath/autodiff/pass.hpp"

#include <doctest/doctest.h>
#include <type_traits>

using namespace towpath;

namespace {
struct Env {
  using Scalar = float;
  using Space = Host;
};
struct Still {
  static constexpr bool trains = false;
};
struct Tuned {
  static constexpr bool trains = true;
};

static_assert(!Infer::learns && !Infer::wants_input && !Infer::random);
static_assert(!Rehearse::learns && !Rehearse::wants_input && Rehearse::random);
static_assert(Learn<false>::learns && !Learn<false>::wants_input && Learn<false>::random);
static_assert(Learn<true>::learns && Learn<true>::wants_input && Learn<true>::random);

// active: there is backward work if one learns, and if the part trains or somebody below does.
static_assert(!active<Tuned, Infer> && !active<Tuned, Rehearse> && !active<Still, Infer> && !active<Still, Rehearse>);
static_assert(active<Tuned, Learn<false>> && active<Tuned, Learn<true>> && active<Still, Learn<true>> && !active<Still, Learn<false>>);

// PassFor: a part without backward work is rehearsed; nobody else's pass changes.
static_assert(std::is_same_v<PassFor<Still, Learn<false>>, Rehearse> && std::is_same_v<PassFor<Still, Learn<true>>, Learn<true>>);
static_assert(std::is_same_v<PassFor<Tuned, Learn<false>>, Learn<false>> && std::is_same_v<PassFor<Tuned, Learn<true>>, Learn<true>>);
static_assert(std::is_same_v<PassFor<Still, Infer>, Infer> && std::is_same_v<PassFor<Tuned, Infer>, Infer>);
static_assert(std::is_same_v<PassFor<Still, Rehearse>, Rehearse> && std::is_same_v<PassFor<Tuned, Rehearse>, Rehearse>);

// Above: whoever stands on something that trains has to hand a gradient down.
static_assert(std::is_same_v<Above<Learn<false>, false>, Learn<false>> && std::is_same_v<Above<Learn<false>, true>, Learn<true>>);
static_assert(std::is_same_v<Above<Learn<true>, false>, Learn<true>> && std::is_same_v<Above<Learn<true>, true>, Learn<true>>);
static_assert(std::is_same_v<Above<Infer, true>, Infer> && std::is_same_v<Above<Rehearse, true>, Rehearse>);

// A chain of three under P is a prefix-or of trains: frozen, tuned, frozen.
using First = PassFor<Still, Learn<false>>;
using Second = PassFor<Tuned, Above<Learn<false>, Still::trains>>;
using Third = PassFor<Still, Above<Above<Learn<false>, Still::trains>, Tuned::trains>>;
static_assert(std::is_same_v<First, Rehearse> && std::is_same_v<Second, Learn<false>> && std::is_same_v<Third, Learn<true>>);

static_assert(std::is_same_v<InputGradient<Env, Learn<true>>, Tensor<Env>>);
static_assert(is_nothing<InputGradient<Env, Learn<false>>> && is_nothing<InputGradient<Env, Infer>>);
static_assert(std::is_empty_v<InputGradient<Env, Learn<false>>>);
}  // namespace

TEST_CASE("the algebra of passes holds at compile time") { CHECK(active<Tuned, Learn<false>>); }
