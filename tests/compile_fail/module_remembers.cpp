// expects: a module needs `template <class Pass> struct Saved` and `template <class Pass> static constexpr bool uses_input`
#include "towpath/autodiff/module.hpp"
#include "towpath/backend/environment.hpp"

using namespace towpath;
using Env = Reference<float>;
struct Mine {
  static constexpr bool trains = false;
  struct Grads {};
  template <class F, class... Ms>
  static void visit(F&&, const Path&, Ms&...);
  template <class Pass>
  Tensor<Env> forward(Env&, View<Env>, Nothing<Pass>&) const;
  template <class Pass>
  InputGradient<Env, Pass> backward(Env&, View<Env>, View<Env>, const Nothing<Pass>&, Grads&) const;
};
static_assert(check_module<Mine, Env>());
