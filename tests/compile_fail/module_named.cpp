// expects: a module needs `template <class F, class... Ms> static void visit.F&& f, const Path& at, Ms&... ms.`
#include "towpath/autodiff/module.hpp"
#include "towpath/backend/environment.hpp"

using namespace towpath;
using Env = Reference<float>;
struct Mine {
  static constexpr bool trains = false;
  struct Grads {};
  template <class Pass>
  struct Saved {};
  template <class Pass>
  static constexpr bool uses_input = false;
  template <class Pass>
  Tensor<Env> forward(Env&, View<Env>, Saved<Pass>&) const;
  template <class Pass>
  InputGradient<Env, Pass> backward(Env&, View<Env>, View<Env>, const Saved<Pass>&, Grads&) const;
};
static_assert(check_module<Mine, Env>());
