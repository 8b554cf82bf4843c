#pragma once

#include "towpath/autodiff/visit.hpp"
#include "towpath/base/check.hpp"
#include "towpath/nn/activation.hpp"
#include "towpath/nn/chain.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/peft/method.hpp"

#include <map>
#include <string>

namespace towpath {

// An option of Prefix: the table is made by a network with this many hidden units.
template <Index Width>
struct Mlp {
  static_assert(Width > 0, "[towpath] Mlp: the network that makes a prefix needs at least one hidden unit");
  static constexpr Index units = Width;
};

namespace detail {
struct AnyPrefix;

template <Index Length, Index Width, class... Options>
struct PrefixTable {
  static_assert(dependent_false<Options...>, "[towpath] Prefix: the one option is Mlp<units>, a network that makes the table");
};
// The table itself.
template <Index Length, Index Width>
struct PrefixTable<Length, Width> {
  template <class Env>
  struct On {
    static constexpr bool trains = true;
    Tensor<Env> key{Length, Width}, value{Length, Width};
    struct Grads {
      Tensor<Env> key{Length, Width}, value{Length, Width};
    };
    View<Env> keys() const { return key; }
    View<Env> values() const { return value; }
    static Writable<Env> keys(Grads& g) { return g.key; }
    static Writable<Env> values(Grads& g) { return g.value; }

    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / "prefix_key", Trainable{start::normal(0.02f)}, ms.key...);
      f(at / "prefix_value", Trainable{start::normal(0.02f)}, ms.value...);
    }
  };
};
// The network that makes it, [P_k, P_v] = tanh(E W_dᵀ + b_d) W_uᵀ + b_u.
template <Index Length, Index Width, Index units>
struct PrefixTable<Length, Width, Mlp<units>> {
  using Net = Chain<Activated<Under<"prefix_down", Linear<Width, units, Leaf::trained, Leaf::trained, start::Kaiming>>, Tanh, units>,
                    Under<"prefix_up", Linear<units, 2 * Width, Leaf::trained, Leaf::trained, start::Kaiming>>>;
  template <class Env>
  struct On {
    using NetOn = typename Net::template On<Env>;
    static constexpr bool trains = true, made = true;
    Tensor<Env> embedding{Length, Width};
    NetOn net;
    struct Grads {
      Tensor<Env> embedding{Length, Width};
      typename NetOn::Grads net;
    };
    template <class Pass>
    using Over = Above<Pass, true>;  // below the network stands the embedding
    template <class Pass>
    using Saved = typename NetOn::template Saved<Over<Pass>>;

    template <class Pass>
    Tensor<Env> forward(Env& env, Saved<Pass>& saved) const {                                          // -> [Length, 2 H]
      return net.template forward<Over<Pass>>(env, embedding.view(), saved);
    }
    template <class Pass>
    void backward(Env& env, View<Env> dtable, Saved<Pass>& saved, Grads& g) const {
      const Tensor<Env> d = net.template backward<Over<Pass>>(env, dtable, embedding.view(), saved, g.net);
      op::add<Env>(env, d, g.embedding);
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / "prefix_embedding", Trainable{start::normal(1)}, ms.embedding...);
      NetOn::visit(f, at, ms.net...);
    }
  };
};
}  // namespace detail

// Prefix-tuning (Li and Liang 2021): in each layer K = [P_k; K], V = [P_v; V], P_k and P_v [Length, H]. The rows have no position of their
// own and are seen by every token. Unlike the zero-initialised methods it does not start at the backbone: even a prefix of zeros takes a
// share of the softmax. The words keep their positions, as in the adapters library; for a prefix of peft's or P-tuning v2's see
// PositionsFrom.
//   Prefix<L>            the table is trained directly (P-tuning v2). Start: N(0, 0.02). Names: prefix_key, prefix_value.
//   Prefix<L, Mlp<B>>    the table is made by a network with B hidden units, which is what is trained; collapse() puts the table it came to in
//                        its place. [P_k, P_v] = tanh(E W_dᵀ + b_d) W_uᵀ + b_u, E [L, H] ~ N(0, 1), W_d [B, H], W_u [2 H, B], as in peft and the
//                        adapters library but for one thing: theirs share E and W_d among the layers (W_u never), here each layer has its own
//                        and stays a module by itself. Names: prefix_embedding, prefix_down, prefix_up.
template <Index Length, class... Options>
struct Prefix {
  using family = detail::AnyPrefix;
  using sites = Sites<at::KeysValues>;
  static_assert(Length > 0, "[towpath] Prefix: the length must be at least 1");

  template <class Env, class, Index Width>
  using Module = typename detail::PrefixTable<Length, Width, Options...>::template On<Env>;
};

// In a Bert: a text's positions are first, first + 1, … instead of 0, 1, …, so that it may have `first` tokens less. It trains nothing. Hugging
// Face's BERT counts past keys, and so the rows of a prefix, as positions: a prefix that peft or P-tuning v2 trained expects it, one of the
// adapters library does not. (peft's file has the tables of all layers side by side: prompt_embeddings [l, 2 layers H], P_k and P_v of the
// lowest layer, then of the next.)
//   Bert<BertBase, Repeat<12, TransformerLayer<BertBase, Prefix<20>>>, PositionsFrom<20>>
template <Index first_>
struct PositionsFrom {
  using sites = Sites<at::Positions>;
  static constexpr Index first = first_;
};

// Makes of a model with Prefix<L, Mlp<B>> the model with Prefix<L> that says the same, bit for bit: `to` gets the tables of the networks, shares
// the frozen weights, and has what else trains copied. What remains to be saved is the tables.
template <class From, class To>
void collapse(const From& from, To& to) {
  using Env = typename To::Environment;
  Env env{{.threads = 1}};
  share(from, to);
  std::map<std::string, View<Env>> given;
  for (const auto& leaf : leaves(from)) given[leaf.name] = leaf.view();
  const auto find = [&](const std::string& name) {
    const auto it = given.find(name);
    if (it == given.end())
      fail("this prefix cannot be collapsed", "the model that was trained has no \"" + name + "\"",
           "Give both models the same methods, Prefix<L, Mlp<B>> in the one and Prefix<L> in the other");
    return it->second;
  };
  const auto put = [&](View<Env> value, Tensor<Env>& into) {
    if (value.rows != into.rows() || value.columns != into.columns())
      fail("this prefix cannot be collapsed", "the two models differ in a shape", "Give both prefixes one length and both models one shape");
    Env::Ops::copy(env, value, into);
  };
  for (auto& leaf : leaves(to)) {
    if (!leaf.owned) continue;
    const bool key = leaf.name.ends_with("prefix_key"), value = leaf.name.ends_with("prefix_value");
    if (!(key || value) || given.contains(leaf.name)) {
      put(find(leaf.name), *leaf.owned);
      continue;
    }
    const std::string at = leaf.name.substr(0, leaf.name.rfind("prefix_")) + "prefix_";
    op::FinishOf<Env> hidden, table;
    hidden.bias = find(at + "down.bias"), hidden.function = Function::tanh, table.bias = find(at + "up.bias");
    const Tensor<Env> h = op::nt<Env>(env, find(at + "embedding"), find(at + "down.weight"), hidden);
    const Tensor<Env> both = op::nt<Env>(env, h, find(at + "up.weight"), table);
    put(both.view().column_block(key ? 0 : leaf.columns(), leaf.columns()), *leaf.owned);
  }
}

}  // namespace towpath
