#pragma once

#include "towpath/backend/functions.hpp"
#include "towpath/tensor/tensor.hpp"

#include <concepts>

namespace towpath {

// What a product does to its result s [m, n] while it is at hand, instead of one more pass over memory for each:
//   y = f(s + bias + plus) ⊙ gate,   slope = f'(s + bias + plus)
// Everything is optional; an empty view stands for "not". plus and gate may be y itself.
template <class T, class Space = Host>
struct Finish {
  BasicView<const T, Space> bias{};   // [1, n]
  BasicView<const T, Space> plus{};   // [m, n]
  Function function = Function::none;
  BasicView<T, Space> slope{};        // [m, n]
  BasicView<const T, Space> gate{};   // [m, n]
  // slope and gate are in bf16: rows of n of them, in views of T that are half as wide
  bool half = false;

  bool nothing() const { return bias.empty() && plus.empty() && function == Function::none && gate.empty(); }
  // The same for some of the rows.
  Finish rows(Index first, Index count) const {
    const auto part = [&](auto v) { return v.empty() ? v : v.row_block(first, count); };
    return {bias, part(plus), function, part(slope), part(gate), half};
  }
};

// The right-hand matrix of a product. A frozen weight brings the place where its other layouts are kept.
template <class T, class Space = Host>
struct Factor {
  BasicView<const T, Space> values;
  BasicForms<Space>* forms = nullptr;

  template <class X>
    requires std::convertible_to<X&, BasicView<const T, Space>>
  Factor(X&& x) : values(x) {
    if constexpr (requires { x.forms(); }) forms = x.forms();
  }
};

}  // namespace towpath
