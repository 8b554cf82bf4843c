#pragma once

#include "towpath/autodiff/visit.hpp"
#include "towpath/model/bert.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/nn/attention.hpp"
#include "towpath/nn/rehearse.hpp"
#include "towpath/nn/segments.hpp"
#include "towpath/peft/method.hpp"

#include <cstddef>
#include <type_traits>
#include <utility>

namespace towpath {

// The two lists of a TowerPair.
template <class... Methods>
struct Shared {};
template <class... Methods>
struct PerSide {};

namespace detail {

// Two of a module, one for queries and one for passages. Which of them acts is what the environment says is being read. Names: the
// module's whole name with "query." or "passage." in front.
template <class One, class Env>
struct Twice {
  static constexpr bool trains = One::trains;
  One query, passage;

  struct Grads {
    [[no_unique_address]] typename One::Grads query;
    [[no_unique_address]] typename One::Grads passage;
  };
  const One& acting(const Env& env) const { return env.side() == Side::query ? query : passage; }
  static auto& acting(const Env& env, Grads& g) { return env.side() == Side::query ? g.query : g.passage; }

  template <class F, class... Ms>
  static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
    One::visit(In<F>{f, "query"}, at, ms.query...);
    One::visit(In<F>{f, "passage"}, at, ms.passage...);
  }

private:
  template <class F>
  struct In {
    F& f;
    const char* side;
    template <class Tag, class... Leaves>
    constexpr void operator()(const Path& at, Tag tag, Leaves&... leaves) const {
      f(Path{side} / at.view(), tag, leaves...);
    }
  };
};

// Of what takes rows and gives rows.
template <class One, class Env>
struct TwoModules : Twice<One, Env> {
  using typename Twice<One, Env>::Grads;
  static constexpr bool across = looks_across<One>, whole = needs_all<One>;
  template <class Pass>
  using Saved = typename One::template Saved<Pass>;
  template <class Pass>
  static constexpr bool uses_input = One::template uses_input<Pass>;

  template <class Pass, Rows<Env> X>
  Tensor<Env> forward(Env& env, const X& x, Saved<Pass>& saved, const op::FinishOf<Env>& finish = {}) const {
    return forward_to<Pass>(this->acting(env), env, x, saved, finish);
  }
  template <class Pass, Rows<Env> X>
  InputGradient<Env, Pass> backward(Env& env, View<Env> dy, const X& x, Saved<Pass>& saved, Grads& g,
                                    const op::FinishOf<Env>& finish = {}) const {
    return backward_to<Pass>(this->acting(env), env, dy, x, saved, this->acting(env, g), finish);
  }
};

// Of prefixes: the attention sees one that is made, [P_k, P_v] [l, 2 H], of whatever acts.
template <class One, class Env>
struct TwoPrefixes : Twice<One, Env> {
  static_assert(!TextPrefix<One>, "[towpath] PerSide: a gated prefix is one for each text already: put it into Shared, or drop its gate");
  using typename Twice<One, Env>::Grads;
  static constexpr bool made = true;
  template <class Pass>
  struct Saved : SavedPrefix<One, Pass> {};

  template <class Pass>
  Tensor<Env> forward(Env& env, Saved<Pass>& saved) const {
    const One& one = this->acting(env);
    if constexpr (MadePrefix<One>) {
      return one.template forward<Pass>(env, saved);
    } else {
      const View<Env> k = one.keys(), v = one.values();
      auto table = env.template take<Env>(k.rows, 2 * k.columns);
      Env::Ops::copy(env, k, table.writable().column_block(0, k.columns));
      Env::Ops::copy(env, v, table.writable().column_block(k.columns, k.columns));
      return table;
    }
  }
  template <class Pass>
  void backward(Env& env, View<Env> dtable, Saved<Pass>& saved, Grads& g) const {
    auto& acting = this->acting(env, g);
    if constexpr (MadePrefix<One>) {
      this->acting(env).template backward<Pass>(env, dtable, saved, acting);
    } else {
      const Index width = dtable.columns / 2;
      op::add<Env>(env, dtable.column_block(0, width), One::keys(acting));
      op::add<Env>(env, dtable.column_block(width, width), One::values(acting));
    }
  }
};

// A method of which there are two.
template <class M>
struct Sided {
  using family = Sided<typename FamilyOf<M>::type>;
  using sites = typename M::sites;
  template <class Env, class Site, class One>
  using Two = std::conditional_t<Site::rule == at::Rule::owner, TwoPrefixes<One, Env>, TwoModules<One, Env>>;
  template <class Env, class Site, Index... widths>
  struct Module : Two<Env, Site, typename M::template Module<Env, Site, widths...>> {};
};

template <class... Ms>
struct PartsOf<Sided<Together<Ms...>>> {
  using list = list::join<typename PartsOf<Sided<Ms>>::list...>;
};

template <class... S>
consteval bool have_modules(List<S...>) {
  return ((S::rule != at::Rule::leaves) && ...);
}
template <template <class, class> class>
struct AnyJoin;
template <class M>
consteval bool check_sided() {
  static_assert(
      have_modules(typename M::sites::list{}),
      "[towpath] PerSide: this method has no module of its own to be there twice, it makes the one backbone's "
      "weights train: put it into Shared");
  static_assert(
      requires { requires !M::detaches; } || !requires { typename AnyJoin<M::template Join>; },
      "[towpath] PerSide: this method is joined to the backbone's own projection, as DoRA is: put it into Shared");
  return true;
}
template <class... Ms>
consteval bool check_sided(List<Ms...>) {
  return (check_sided<Ms>() && ...);
}

// The encoder with more methods in each of its layers.
template <class T, class... More>
struct With {
  static_assert(dependent_false<T>,
                "[towpath] TowerPair: methods go into the layers of a Bert over a Repeat or Segments of "
                "TransformerLayers (or Checkpoints of them)");
};
template <class Shape, class... Methods, class... More>
struct With<TransformerLayer<Shape, Methods...>, More...> {
  using type = TransformerLayer<Shape, Methods..., More...>;
};
template <class L, class... More>
struct With<Checkpoint<L>, More...> {
  using type = Checkpoint<typename With<L, More...>::type>;
};
template <Index N, class L, Index first, class... More>
struct With<Repeat<N, L, first>, More...> {
  using type = Repeat<N, typename With<L, More...>::type, first>;
};
template <class... Rs, class... More>
struct With<Segments<Rs...>, More...> {
  using type = Segments<typename With<Rs, More...>::type...>;
};
template <class Shape, class Stack, class... Methods, class... More>
struct With<Bert<Shape, Stack, Methods...>, More...> {
  using type = Bert<Shape, typename With<Stack, More...>::type, Methods...>;
};

// One and the other of two sets of rows end to end.
template <class Env>
Tensor<Env> end_to_end(Env& env, const Tensor<Env>& a, const Tensor<Env>& b) {
  auto all = env.template take<Env>(a.rows() + b.rows(), a.columns());
  constexpr std::size_t size = sizeof(typename Env::Scalar);
  if (a.size()) Env::Space::copy(all.data(), a.data(), static_cast<std::size_t>(a.size()) * size);
  if (b.size()) Env::Space::copy(all.data() + a.size(), b.data(), static_cast<std::size_t>(b.size()) * size);
  return all;
}

}  // namespace detail

// Two towers for a bi-encoder over one backbone, semi-siamese (Jung, Choi and Rhee 2022): the methods in Shared are one for both sides,
// those in PerSide are there twice, each trained on its own side. The backbone is in memory once.
//   using Pair = TowerPair<Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>>, Shared<LoRA<16, at::Query>>, PerSide<LoRA<16, at::Value>>>;
//   BiEncoder<Pair, MeanPooling, Cosine>::On<Env> model{env};    // model.encode(env, text, Side::query)
// (those are the paper's SS-LoRA; its SS-prefix, once it is a table, is PerSide<Prefix<10>>). Methods may also stand in the encoder's layers themselves, and are shared then. Without PerSide it is
// a siamese encoder, to the bit; with PerSide alone, methods that are fully apart.
// Parameters per side are named query.… and passage.…, all others as ever. An index stays good as long as nothing but query.… changes.
// Not per side: methods without a module of their own, such as BitFit and FullTuning, and DoRA, which is one with its projection.
template <class Encoder, class Common = Shared<>, class Own = PerSide<>>
struct TowerPair {
  static_assert(dependent_false<Encoder>, "[towpath] TowerPair: write TowerPair<Encoder, Shared<…>, PerSide<…>>");
};
template <class Encoder, class... Ms, class... Ps>
struct TowerPair<Encoder, Shared<Ms...>, PerSide<Ps...>> {
  static_assert(detail::check_sided(detail::Parts<Ps...>{}));
  using Both = typename detail::With<Encoder, Ms..., detail::Sided<Ps>...>::type;
  static constexpr bool trains = Both::trains, two_towers = true;
  static constexpr Index hidden = Both::hidden;
  using shape = typename Both::shape;
  template <class Part>
  static constexpr bool receives_gradient = Both::template receives_gradient<Part>;

  template <class Env>
  struct On : Both::template On<Env> {
    using Tower = typename Both::template On<Env>;
    using Grads = typename Tower::Grads;
    static constexpr bool has_bottom = false;  // (states would have to be kept for each side)

    template <class Pass>
    struct Saved {
      typename Tower::template Saved<Pass> query, passage;
    };

    // The states of the queries before those of the passages.
    template <class Pass, bool only_firsts = false>
    Tensor<Env> forward(Env& env, const Ragged& queries, const Ragged& passages, Saved<Pass>& saved) const {
      env.side(Side::query);
      const Tensor<Env> q = Tower::template forward<Pass, only_firsts>(env, queries, saved.query);
      env.side(Side::passage);
      const Tensor<Env> p = Tower::template forward<Pass, only_firsts>(env, passages, saved.passage);
      return detail::end_to_end(env, q, p);
    }
    template <class Pass, bool only_firsts = false>
    void backward(Env& env, View<Env> dy, const Ragged& queries, const Ragged& passages, Saved<Pass>& saved,
                  Grads& g) const {
      const Index rows = only_firsts ? queries.count() : queries.tokens();
      env.side(Side::query);
      Tower::template backward<Pass, only_firsts>(env, dy.row_block(0, rows), queries, saved.query, g);
      env.side(Side::passage);
      Tower::template backward<Pass, only_firsts>(env, dy.row_block(rows, dy.rows - rows), passages, saved.passage, g);
    }
    template <bool only_firsts = false>
    Tensor<Env> infer(Env& env, const Ragged& tokens, Side side) const {
      env.side(side);
      typename Tower::template Saved<Infer> saved;
      return Tower::template forward<Infer, only_firsts>(env, tokens, saved);
    }
  };
};

// Does an encoder read queries and passages with different parameters?
template <class Encoder>
inline constexpr bool two_towers = [] {
  if constexpr (requires { Encoder::two_towers; }) return Encoder::two_towers;
  else return false;
}();

}  // namespace towpath
