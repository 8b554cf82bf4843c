// A method is a struct that names its sites and, for each, a module:
//   using sites = Sites<at::Query, at::Value>;
//   template <class Env, class Site, Index In, Index Out> using Module = …;      (one width where it does not change: at::KeysValues, Keys,
//                                                                                  Values, Context, FfnArgument, FfnHidden, InputTokens)
// It may also say how its module joins what is there already, where y = Main(x) + Module(x) is not it:
//   template <class Main, class Branch> using Join = …;    (deltas and branches; round the base's weight: nn/around.hpp)
// and how the trained module becomes part of a weight (peft/merge.hpp):
//   static constexpr bool merges = true;
//   template <class Site, class Env, class Trained> static void merge(Env&, const Trained&, Tensor<Env>& weight, Tensor<Env>& bias);
// BitFit, full tuning and their like attach nothing: they claim at::Biases, at::Norms, at::Weights and flip existing leaves.
#pragma once

#include "towpath/nn/beside.hpp"
#include "towpath/nn/chain.hpp"
#include "towpath/nn/under.hpp"
#include "towpath/peft/sites.hpp"

namespace towpath {

template <class M>
concept Method = requires { typename M::sites::list; };

template <class M, class Site>
inline constexpr bool claims = list::contains<Site, typename M::sites::list>;

// What Method puts at Site, as a description.
template <class M, class Site, Index... widths>
struct Attach {
  static constexpr bool trains = M::template Module<Blueprint, Site, widths...>::trains;
  template <class Env>
  struct On : M::template Module<Env, Site, widths...> {
    using Base = typename M::template Module<Env, Site, widths...>;
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      if constexpr (requires { f.template whole<M, Site, Base>(at, ms...); })  // asks for methods, not for leaves
        return f.template whole<M, Site, Base>(at, ms...);
      Base::visit(
          [&](const Path& name, auto tag, auto&... leaves) {
            tag.added = true;
            f(name, tag, leaves...);
          },
          at, ms...);
    }
  };
};

namespace detail {
// How Method's module B is joined to what is at its site already: beside it, unless the method knows better.
template <class M, class Main, class B>
struct Join {
  using type = Beside<Main, B>;
};
template <class M, class Main, class B>
  requires requires { typename M::template Join<Main, B>; }
struct Join<M, Main, B> {
  using type = typename M::template Join<Main, B>;
};
template <class M>
inline constexpr bool merges = [] {
  if constexpr (requires { M::merges; }) return M::merges;
  else return false;
}();

// The modules that Methods put at Site, in pack order, named after the site.
template <class Site, class Methods, Index... widths>
struct Attached;
template <class Site, class... Methods, Index... widths>
struct Attached<Site, List<Methods...>, widths...> {
  template <class M>
  static auto one() {
    if constexpr (claims<M, Site>) return List<Under<Site::path_name, Attach<M, Site, widths...>>>{};
    else return List<>{};
  }
  using list = list::join<decltype(one<Methods>())...>;
};

template <class Main, class Branches>
struct BesideAll {
  using type = Main;
};
template <class Main, class B, class... Rest>
struct BesideAll<Main, List<B, Rest...>> : BesideAll<Beside<Main, B>, List<Rest...>> {};
template <class Main, fixed_string name, class M, class Site, Index... widths, class... Rest>
struct BesideAll<Main, List<Under<name, Attach<M, Site, widths...>>, Rest...>>
    : BesideAll<typename Join<M, Main, Under<name, Attach<M, Site, widths...>>>::type, List<Rest...>> {};

// --- conflicts ---------------------------------------------------------------------------------------------------------
template <class Host, class M, class Site>
consteval bool check_offer() {
  static_assert(list::contains<Site, typename Host::offers>,
                "[towpath] a method claims a site that this level does not have. A TransformerLayer offers at::Query, Key, Value, "
                "AttentionOutput, FfnIn, FfnOut, KeysValues, Keys, Values, Context, FfnArgument, FfnHidden, BesideAttention, "
                "BesideFfn, PostAttention, PostFfn, PostAttentionNorm, PostFfnNorm, AroundAttentionNorm, AroundFfnNorm, "
                "OutsideAttention, OutsideFfn, OutsideLayer, Biases, Norms, Weights; a Bert offers "
                "at::OutsideModel, InputTokens, Positions, Biases, Norms, Weights");
  return true;
}
template <class Host, class M, class... S>
consteval bool check_offers(List<S...>) {
  static_assert(list::unique<List<S...>>, "[towpath] a method claims the same site twice: name each site once");
  return (check_offer<Host, M, S>() && ...);
}
template <class Host, class M>
consteval bool check_method() {
  static_assert(Method<M>, "[towpath] a method needs `using sites = Sites<at::…>` and, for each site, a `Module` template: see LoRA, or the "
                           "README's \"a new method\"");
  if constexpr (Method<M>) return check_offers<Host, M>(typename M::sites::list{});
  else return false;
}
template <class M>
struct FamilyOf {
  using type = M;
};
template <class M>
  requires requires { typename M::family; }
struct FamilyOf<M> {
  using type = typename M::family;
};
// at::Outside is at::OutsideLayer or at::OutsideModel by another name.
template <class S, class T>
inline constexpr bool one_place = std::is_same_v<S, T> || (S::rule == at::Rule::branch && T::rule == at::Rule::branch &&
                                                           S::path_name.view().empty() && T::path_name.view().empty());
template <class S, class... T>
consteval bool among(List<T...>) {
  return (one_place<S, T> || ...);
}
// May A and B stand together at one site? Names would collide if they are of one family.
template <class A, class B, class... S>
consteval bool same_name_at(List<S...>) {
  return std::is_same_v<typename FamilyOf<A>::type, typename FamilyOf<B>::type> &&
         ((S::rule != at::Rule::owner && among<S>(typename B::sites::list{})) || ...);
}
template <class M, class... S>
consteval bool tunes_weights(List<S...>) {
  return (std::is_same_v<S, at::Weights> || ...);
}
template <class M, class... S>
consteval bool only_leaves(List<S...>) {
  return ((S::rule == at::Rule::leaves) && ...) && sizeof...(S) > 0;
}
template <class... Methods>
consteval bool check_together() {
  static_assert((std::size_t{claims<Methods, at::KeysValues>} + ... + 0) <= 1,
                "[towpath] two methods claim at::KeysValues: keep one prefix, or put them in different Segments");
  static_assert((std::size_t{claims<Methods, at::InputTokens>} + ... + 0) <= 1,
                "[towpath] two methods claim at::InputTokens: keep one prompt, with the rows of both");
  static_assert((std::size_t{claims<Methods, at::Positions>} + ... + 0) <= 1,
                "[towpath] two methods claim at::Positions: a text begins at one of them, keep one PositionsFrom");
  constexpr bool full = (tunes_weights<Methods>(typename Methods::sites::list{}) || ...);
  static_assert(!full || (std::size_t{only_leaves<Methods>(typename Methods::sites::list{})} + ... + 0) <= 1,
                "[towpath] FullTuning already trains every weight, bias and norm: drop the other method that tunes backbone parameters "
                "(BitFit, LayerNormTuning)");
  return true;
}
template <class A, class... Rest>
consteval bool check_names() {
  static_assert(!(same_name_at<A, Rest>(typename A::sites::list{}) || ...),
                "[towpath] the same method stands twice at one site, so its parameters would share a name: choose other sites for one, "
                "or give it a name of its own with Tagged<\"b\", …>");
  if constexpr (sizeof...(Rest) > 1) return check_names<Rest...>();
  else return true;
}
template <class Host, class... Methods>
consteval bool check_methods(List<Methods...>) {
  if constexpr ((check_method<Host, Methods>() && ...)) {
    if constexpr (sizeof...(Methods) > 1) return check_together<Methods...>() && check_names<Methods...>();
    return true;
  }
  return false;
}
}  // namespace detail

// Together<A, B, …>: several methods under one name, wherever one may stand; for an alias (MAM). It is not a method itself: a layer sees
// its parts.
template <class... Parts>
struct Together {};

// Tagged<"b", Method>: the same method once more, its parameters one step further down (… .b.lora_A.weight).
template <fixed_string name, class M>
struct Tagged {
  using family = Tagged<name, typename detail::FamilyOf<M>::type>;
  using sites = typename M::sites;
  template <class Main, class Branch>
  using Join = typename detail::Join<M, Main, Branch>::type;
  static constexpr bool merges = detail::merges<M>;
  template <class Site, class Env, class Trained>
  static void merge(Env& env, const Trained& trained, Tensor<Env>& weight, Tensor<Env>& bias) {
    M::template merge<Site>(env, trained, weight, bias);
  }
  template <class Env, class Site, Index... widths>
  struct Module : M::template Module<Env, Site, widths...> {
    using Base = typename M::template Module<Env, Site, widths...>;
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      Base::visit(f, at / name.view(), ms...);
    }
  };
};

namespace detail {
template <class M>
struct PartsOf {
  using list = List<M>;
};
template <class... Ms>
struct PartsOf<Together<Ms...>> {
  using list = list::join<typename PartsOf<Ms>::list...>;
};
template <fixed_string name, class... Ms>
struct PartsOf<Tagged<name, Together<Ms...>>> {
  using list = list::join<typename PartsOf<Tagged<name, Ms>>::list...>;
};
// A pack of methods with every Together taken apart.
template <class... Methods>
using Parts = list::join<typename PartsOf<Methods>::list...>;

template <class Site, class Methods>
inline constexpr bool any_claims = false;
template <class Site, class... Methods>
inline constexpr bool any_claims<Site, List<Methods...>> = (claims<Methods, Site> || ...);
}  // namespace detail

}  // namespace towpath
