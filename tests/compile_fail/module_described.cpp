// expects: a module needs `static constexpr bool trains` and a nested `struct Grads`
#include "towpath/autodiff/module.hpp"
#include "towpath/backend/environment.hpp"

using namespace towpath;
using Env = Reference<float>;
struct Mine {
  template <class F, class... Ms>
  static void visit(F&&, const Path&, Ms&...);
  template <class Pass>
  struct Saved {};
  template <class Pass>
  static constexpr bool uses_input = false;
  template <class Pass>
  Tensor<Env> forward(Env&, View<Env>, Saved<Pass>&) const;
  template <class Pass>
  InputGradient<Env, Pass> backward(Env&, View<Env>, View<Env>, const Saved<Pass>&, Nothing<>&) const;
};
static_assert(check_module<Mine, Env>());
