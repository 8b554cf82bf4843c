#pragma once

#include "towpath/autodiff/module.hpp"

namespace towpath {

// Under<"output.dense", M>: M, its parameters named one step further down. Nothing else changes.
template <fixed_string name, class M>
struct Under {
  static constexpr bool trains = M::trains;

  template <class Env>
  struct On : M::template On<Env> {
    using Base = typename M::template On<Env>;
    using Base::Base;
    using Again = On;

    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      Base::visit(f, at / name.view(), ms...);
    }
  };
};

}  // namespace towpath
