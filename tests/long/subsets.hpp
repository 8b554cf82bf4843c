// Every subset of up to three of a layer's sites, and every pair of methods, as a type list made at compile time and dealt out over several
// files.
#pragma once

// Many types and few numbers: without optimisation these files compile in half the time (the operations are in ops.cpp, optimised).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O0")
#endif

#include "../unit/model/small.hpp"
#include "../unit/peft/held.hpp"
#include "towpath/peft/compacter.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/ia3.hpp"
#include "towpath/peft/ladder.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/unipelt.hpp"

#include <array>
#include <cstddef>
#include <doctest/doctest.h>
#include <tuple>
#include <utility>

namespace subsets {

using namespace towpath;

// One method for each site, but for those that only scale units and the two round a norm, which stand together; FullTuning stands for
// at::Weights. Smooth functions only: among so many draws one meets the kink of a ReLU
// (ReLU itself is checked in unit/peft).
using Coarse =
    List<LoRA<2, at::Query>, LoRA<2, at::Key>, LoRA<2, at::Value>, LoRA<2, at::AttentionOutput>, LoRA<2, at::FfnIn>, LoRA<2, at::FfnOut>,
         Prefix<2>, Ia3<at::Keys, at::Values, at::Context, at::FfnArgument, at::FfnHidden>, Adapter<2, Gelu, at::BesideAttention>,
         Adapter<2, Gelu, at::BesideFfn>, Adapter<2, Gelu, at::AroundAttentionNorm, at::AroundFfnNorm>, Adapter<2, Gelu, at::PostAttention>,
         Adapter<2, Gelu, at::PostFfn>, Adapter<2, Gelu, at::PostAttentionNorm>, Adapter<2, Gelu, at::PostFfnNorm>,
         Pathway<Aside<2, Gelu>, at::OutsideAttention>, Pathway<Aside<2, Gelu>, at::OutsideFfn>, Pathway<Aside<2, Gelu>, at::OutsideLayer>,
         BitFit, LayerNormTuning, FullTuning>;
// What stands together there, apart; and other methods at the same sites. Alone and in pairs with each other and with all of the above: all
// threes would take three times as long to compile. Tagged, so that no name is another's; before the others, for DoRA wants to be first.
// Not here: a Prompt is a Bert's (unit/peft/prompt.cpp); beside a Ladder that only reads nothing in its layer may train (unit/peft/
// ladder.cpp, compile_fail); a Prefix's network makes the same table (unit/peft/prefix_mlp.cpp); MAM, UniPELT, Houlsby and Pfeiffer are
// other names.
template <class M>
using B = Tagged<"b", M>;
using Fine = List<B<Held<2, at::Query>>, B<Gated<LoRA<2, at::Value>>>, B<Gated<Prefix<2>>>, B<Ia3<at::Keys>>, B<Ia3<at::Values>>,
                  B<Ia3<at::Context>>, B<Ia3<at::FfnArgument>>, B<Ia3<at::FfnHidden>>, B<Adapter<2, Gelu, at::AroundAttentionNorm>>,
                  B<Adapter<2, Gelu, at::AroundFfnNorm>>, B<Compacter<4>>, Ladder<Aside<2, Gelu>, Inject>>;
using Methods = list::join<Fine, Coarse>;
constexpr std::size_t n = Methods::size, none = n, coarse = Fine::size;

template <class... Ms>
std::tuple<Ms*...> pointers(List<Ms...>);
template <std::size_t i>
using Pick = List<std::remove_pointer_t<std::tuple_element_t<i, decltype(pointers(Methods{}))>>>;
template <class M, class... Ms>
consteval std::size_t index_in(List<Ms...>) {
  std::size_t i = 0;
  (void)((!std::is_same_v<M, Ms> && ++i) && ...);
  return i;
}
template <class M>
constexpr std::size_t index = index_in<M>(Methods{});

struct Subset {
  std::size_t a = none, b = none, c = none;
};
constexpr std::size_t pairs(std::size_t k) { return k * (k - 1) / 2; }
constexpr std::size_t threes(std::size_t k) { return pairs(k) * (k - 2) / 3; }
constexpr std::size_t count = n + pairs(n) + threes(Coarse::size);
constexpr std::array<Subset, count> all = [] {
  std::array<Subset, count> s{};
  std::size_t i = 0;
  for (std::size_t a = 0; a < n; ++a) {
    s[i++] = {a};
    for (std::size_t b = a + 1; b < n; ++b) {
      s[i++] = {a, b};
      for (std::size_t c = b + 1; a >= coarse && c < n; ++c) s[i++] = {a, b, c};
    }
  }
  return s;
}();
// Refused by the library: FullTuning has the biases and the norms already, DoRA needs a frozen weight, keys and values have one owner.
constexpr bool offered(Subset s) {
  const auto has = [&](std::size_t m) { return s.a == m || s.b == m || s.c == m; };
  return !(has(index<FullTuning>) && (has(index<BitFit>) || has(index<LayerNormTuning>) || has(index<B<Held<2, at::Query>>>))) &&
         !(has(index<Prefix<2>>) && has(index<B<Gated<Prefix<2>>>>));
}
static_assert(index<FullTuning> == n - 1 && index<Prefix<2>> == coarse + 6);

template <Subset s>
auto methods() {
  if constexpr (s.b == none) return Pick<s.a>{};
  else if constexpr (s.c == none) return list::join<Pick<s.a>, Pick<s.b>>{};
  else return list::join<Pick<s.a>, Pick<s.b>, Pick<s.c>>{};
}
template <class... Ms>
TransformerLayer<Small, Ms...> layer(List<Ms...>);

template <std::size_t i>
void check_one() {
  if constexpr (offered(all[i])) {
    using Layer = decltype(layer(methods<all[i]>()));
    for (const std::vector<Index>& lengths : {std::vector<Index>{1}, {1, 2, 5}}) {
      const CheckOptions options{.lengths = lengths, .width = Small::hidden, .entries = 1};
      const GradientCheck low = check_gradients<Layer, Learn<false>>(i + 1, options),
                          high = check_gradients<Layer, Learn<true>>(i + 1, options);
      for (const GradientCheck& r : {low, high}) {
        INFO("sites " << all[i].a << ", " << all[i].b << ", " << all[i].c << ": " << r.where << " is off by " << r.worst);
        CHECK(r.compared > 0);
        CHECK(r.worst <= gradient_tolerance);
      }
    }
  }
}
constexpr std::size_t files = 36;
// Numbers first, first + step, first + 2 step, … of all.
template <std::size_t first, std::size_t step, std::size_t... k>
void check_share(std::index_sequence<k...>) {
  (check_one<first + k * step>(), ...);
}
template <std::size_t file>
void check_file() {
  check_share<file, files>(std::make_index_sequence<(count - file + files - 1) / files>{});
}

}  // namespace subsets
