#pragma once

#include "towpath/nn/detached.hpp"
#include "towpath/peft/adapter.hpp"

namespace towpath {

namespace detail {
struct AnyPathway;
}

// An option of Pathway: what it goes round is a constant to backward, so that gradients travel along the pathway alone. An experiment, and
// not the gradient of the loss: modules inside still learn, each from the gradient at its layer's output. Without any the backbone has no
// backward.
struct DetachMain {};

// The aside module of IAA (Ma et al., CIKM 2022): B(x) = σ(x W_dᵀ + b_d) W_uᵀ + b_u, a bottleneck without a skip of its own, whose
// up-projection starts at zero, so that the untrained model is the backbone bit for bit. Its rank may exceed the width: the paper's
// largest IAA-M has 960 beside 768.
template <Index Rank, class F = Relu>
struct Aside {
  template <Index Width>
  using Part = Bottleneck<"aside", Width, Rank, Width, F>;
};

// Pathway<Aside<R>, sites…>: the aside modules, placed so that a path of trained weights connects all that trains:
//   IAA-S  Pathway<Aside<R>, at::OutsideAttention, at::OutsideFfn>   u = Norm(x + A(SA(x))) + B(x),  y = Norm(u + A(FFN(u))) + B'(u)
//   IAA-L  Pathway<Aside<R>>  in a TransformerLayer                  y = Norm(u + A(FFN(u))) + B(x)
//   IAA-M  Pathway<Aside<R>>  in a Bert                              h = Stack(x0) + B(x0)
// Alone it trains only the path; with Adapter, LoRA or Prefix beside it in the same list it connects those. Nothing is shared.
// Names: aside_down, aside_up.
// Option: DetachMain (where two pathways go round one place, name the one that has it first).
template <class Module_, class... S>
struct Pathway {
  using family = detail::AnyPathway;
  template <class T>
  struct IsSite : std::bool_constant<!std::is_same_v<T, DetachMain>> {};
  using named = list::filter<IsSite, List<S...>>;
  static constexpr bool detaches = named::size < sizeof...(S);
  using sites = list::apply<Sites, std::conditional_t<named::size == 0, List<at::Outside>, named>>;
  static_assert(((std::is_same_v<S, DetachMain> ||
                  std::is_same_v<S, at::OutsideAttention> || std::is_same_v<S, at::OutsideFfn> || std::is_same_v<S, at::OutsideLayer> ||
                  std::is_same_v<S, at::OutsideModel> || std::is_same_v<S, at::Outside>) &&
                 ...),
                "[towpath] a Pathway runs outside: use at::OutsideAttention, at::OutsideFfn (IAA-S), at::OutsideLayer (IAA-L) or "
                "at::OutsideModel (IAA-M); for a module inside a sub-layer use Adapter");

  template <class Env, class, Index In, Index Out>
  using Module = typename Module_::template Part<In>::template On<Env>;
  template <class Main, class Branch>
  using Join = Beside<std::conditional_t<detaches, Detached<Main>, Main>, Branch>;
};

}  // namespace towpath
