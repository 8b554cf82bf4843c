#pragma once

#include "towpath/autodiff/visit.hpp"
#include "towpath/base/check.hpp"
#include "towpath/model/shapes.hpp"
#include "towpath/model/transformer_layer.hpp"
#include "towpath/nn/embedding.hpp"
#include "towpath/nn/segments.hpp"

#include <string>

namespace towpath {

namespace detail {
struct BertHost {
  using offers =
      List<at::OutsideModel, at::Outside, at::InputTokens, at::Positions, at::Biases, at::Norms, at::Weights>;
};
template <class Prompts>
struct PromptIn {
  using type = NoPrompt;
};
template <class P>
struct PromptIn<List<P>> {
  using type = P;
};
template <class... Methods>
constexpr Index first_position(List<Methods...>) {
  Index first = 0;
  (..., [&] {
    if constexpr (claims<Methods, at::Positions>) first = Methods::first;
  }());
  return first;
}
// What stands between a stack and those who read its result: nothing, unless its last layers ask for it (peft/ladder.hpp).
template <class Stack>
struct LastLayer {
  using type = void;
};
template <Index N, class L, Index first>
struct LastLayer<Repeat<N, L, first>> {
  using type = L;
};
template <class R, class Next, class... Rs>
struct LastLayer<Segments<R, Next, Rs...>> : LastLayer<Segments<Next, Rs...>> {
  static_assert(!requires { LastLayer<R>::type::side; } || requires { LastLayer<Next>::type::side; },
                "[towpath] above a layer with a Ladder stands one without: once it has begun, every layer has a rung");
};
template <class R>
struct LastLayer<Segments<R>> : LastLayer<R> {};
template <class Stack, bool below_trains, class Last = typename LastLayer<Stack>::type>
struct ClosedStack {
  using type = Under<"layer", Stack>;
};
template <class Stack, bool below_trains, class Last>
  requires requires { Last::side; }
struct ClosedStack<Stack, below_trains, Last> {
  using type = typename Last::template Closed<Stack, Under<"layer", Stack>, below_trains>::type;
};
}  // namespace detail

// Bert<Shape, Stack, Methods…>: embeddings, then Stack (a Repeat or Segments of layers), token ids [T] -> hidden states [T, H]. Methods at
// this level: BitFit, LayerNormTuning and FullTuning speak of the embeddings, Prompt puts rows before the words (the stack sees them, the
// result has the words' states alone), PositionsFrom moves the words, Pathway goes round the whole stack (IAA-M):
//   h = Stack(x0) + Σ B(x0),  x0 = Embeddings(ids)
// Names are Hugging Face's BertModel's: embeddings.…, encoder.layer.<n>.….
template <class Shape, class Stack, class... Methods>
struct Bert {
  using Given = detail::Parts<Methods...>;
  static_assert(detail::check_methods<detail::BertHost>(Given{}));
  static constexpr bool tables = detail::any_claims<at::Weights, Given>, norms = detail::any_claims<at::Norms, Given>,
                        biases = detail::any_claims<at::Biases, Given>;
  using shape = Shape;
  using Embedding = BertEmbeddings<
      Shape, tables, norms, norms || biases,
      typename detail::PromptIn<typename detail::Attached<at::InputTokens, Given, Shape::hidden>::list>::type,
      detail::first_position(Given{})>;
  template <class Site>
  using At = typename detail::Attached<Site, Given, Shape::hidden, Shape::hidden>::list;
  using Encoder = typename detail::BesideAll<typename detail::ClosedStack<Stack, Embedding::trains>::type,
                                             list::join<At<at::OutsideModel>, At<at::Outside>>>::type;
  static constexpr bool trains = Embedding::trains || Encoder::trains;
  static constexpr Index layers = Stack::layers, hidden = Shape::hidden;

  template <class Part>
  static constexpr bool receives_gradient = std::is_same_v<Part, Embeddings> && Embedding::trains;

  template <class Env>
  struct On {
    using Low = typename Embedding::template On<Env>;
    using High = typename Encoder::template On<Env>;
    static constexpr bool trains = Bert::trains;
    static constexpr Index layers = Bert::layers, prompt_rows = Low::prompt_rows;
    using shape = Shape;
    using Environment = Env;

    Low embeddings;
    High encoder;

    struct Grads {
      using Module = On;
      [[no_unique_address]] typename Low::Grads embeddings;
      [[no_unique_address]] typename High::Grads encoder;
    };
    template <class Pass>
    using Below = PassFor<Low, Pass>;
    template <class Pass>
    using Over = PassFor<High, Above<Pass, Low::trains>>;
    template <class Pass>
    static constexpr bool keeps = High::template uses_input<Over<Pass>>;
    template <class Pass>
    struct Saved {
      [[no_unique_address]] typename Low::template Saved<Below<Pass>> embeddings;
      [[no_unique_address]] typename High::template Saved<Over<Pass>> encoder;
      [[no_unique_address]] If<keeps<Pass>, Tensor<Env>, tag::middle> embedded;  // [T, H]
    };

    // The states of all tokens, [T, H], or with `only_firsts` of the first of each sequence, [S, H]: then the last layer computes, beyond keys and
    // values, those rows alone.
    template <class Pass, bool only_firsts = false>
    Tensor<Env> forward(Env& env, const Ragged& tokens, Saved<Pass>& saved) const {
      require_weights();
      saved = {};  // what the last step kept makes room
      Tensor<Env> x = embeddings.template forward<Below<Pass>>(env, tokens, saved.embeddings);                        // [T, H]
      Tensor<Env> y;
      if constexpr (prompt_rows > 0) {
        const Prompted rows(tokens, prompt_rows);                                                                     // [T + n S, H]
        y = op::gather_rows<Env>(env, encoder.template forward<Over<Pass>>(env, Tokens<Env>{x, &rows}, saved.encoder), rows.own);
        if constexpr (only_firsts) y = op::firsts<Env>(env, y, tokens);
      } else {
        y = above<only_firsts>(env, x, tokens, [&](const auto& in) { return encoder.template forward<Over<Pass>>(env, in, saved.encoder); });
      }
      if constexpr (keeps<Pass>) saved.embedded = std::move(x);
      return y;
    }
    template <class Pass, bool only_firsts = false>
    void backward(Env& env, View<Env> dy, const Ragged& tokens, Saved<Pass>& saved, Grads& g) const {
      View<Env> x;
      if constexpr (keeps<Pass>) x = saved.embedded;
      Tensor<Env> widest;
      if constexpr (prompt_rows > 0) {
        const Prompted rows(tokens, prompt_rows);
        const Tensor<Env> all = op::scatter_rows<Env>(env, widened<only_firsts>(env, dy, tokens, widest), rows.own, rows.tokens());
        const Tensor<Env> dx = encoder.template backward<Over<Pass>>(env, all, Tokens<Env>{x, &rows}, saved.encoder, g.encoder);
        embeddings.template backward<Below<Pass>>(env, dx, tokens, saved.embeddings, g.embeddings);
      } else {
        Tensor<Env> firsts;
        const auto in = input<only_firsts>(env, x, tokens, firsts);
        const View<Env> d = widened<only_firsts && !narrow<only_firsts>>(env, dy, tokens, widest);
        if constexpr (active<Low, Pass>) {
          const Tensor<Env> dx = encoder.template backward<Over<Pass>>(env, d, in, saved.encoder, g.encoder);
          embeddings.template backward<Below<Pass>>(env, dx, tokens, saved.embeddings, g.embeddings);
        } else {
          encoder.template backward<Over<Pass>>(env, d, in, saved.encoder, g.encoder);
        }
      }
    }
    // The part of the model below everything that trains: the embeddings and, in Segments, the lowest ones without a trained parameter.
    // Where dropout is off its states are a function of the text alone: whoever has kept them (train/frozen_states.hpp) goes on from there.
    static constexpr bool has_bottom = !Low::trains && High::trains;
    static constexpr Index frozen_layers = has_bottom ? detail::frozen_layers<High>() : 0;

    Tensor<Env> bottom(Env& env, const Ragged& tokens) const                                                            // -> [T, H]
      requires has_bottom
    {
      require_weights();
      typename Low::template Saved<Infer> none;
      Tensor<Env> x = embeddings.template forward<Infer>(env, tokens, none);
      if constexpr (frozen_layers > 0) return detail::bottom(encoder, env, Tokens<Env>{x, &tokens});
      else return x;
    }
    template <class Pass, bool only_firsts = false>
    Tensor<Env> forward_from(Env& env, View<Env> states, const Ragged& tokens, Saved<Pass>& saved) const {
      saved = {};
      return above<only_firsts>(env, states, tokens,
                                [&](const auto& in) { return detail::forward_top<Over<Pass>>(encoder, env, in, saved.encoder); });
    }
    template <class Pass, bool only_firsts = false>
    void backward_from(Env& env, View<Env> dy, View<Env> states, const Ragged& tokens, Saved<Pass>& saved, Grads& g) const {
      Tensor<Env> firsts, widest;
      const View<Env> d = widened<only_firsts && !narrow<only_firsts>>(env, dy, tokens, widest);
      detail::backward_top<Over<Pass>>(encoder, env, d, input<only_firsts>(env, states, tokens, firsts), saved.encoder, g.encoder);
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      Low::visit(f, at / "embeddings", ms.embeddings...);
      High::visit(f, at / "encoder", ms.encoder...);
    }

  private:
    // First tokens alone are computed where they alone are asked for and no part of the stack needs the others' as well.
    template <bool only_firsts>
    static constexpr bool narrow = only_firsts && !needs_all<High>;
    template <bool only_firsts, class Run>
    static Tensor<Env> above(Env& env, View<Env> x, const Ragged& tokens, const Run& run) {
      Tensor<Env> firsts;
      Tensor<Env> y = run(input<only_firsts>(env, x, tokens, firsts));
      if constexpr (only_firsts && !narrow<only_firsts>) return op::firsts<Env>(env, y, tokens);
      else return y;
    }
    // The gradient of first tokens among zeros for the others.
    template <bool from_firsts>
    static View<Env> widened(Env& env, View<Env> dy, const Ragged& tokens, [[maybe_unused]] Tensor<Env>& all) {
      if constexpr (from_firsts) {
        all = op::zeros(env, tokens.tokens(), hidden);
        op::add_firsts<Env>(env, dy, tokens, all);
        return all;
      } else {
        return dy;
      }
    }
    template <bool only_firsts>
    static auto input(Env& env, View<Env> x, const Ragged& tokens, [[maybe_unused]] Tensor<Env>& firsts) {
      if constexpr (narrow<only_firsts>) {
        return op::narrowed<Env>(env, x, tokens, firsts);
      } else {
        return Tokens<Env>{x, &tokens};
      }
    }
    void require_weights() const {
      if (!tables && !embeddings.word.empty() && !embeddings.norm.bias.empty()) return;
      const std::string name = unloaded(*this);  // tables that train are never empty: ask the layers
      if (name.empty()) return;
      fail("this model has no weights yet", "\"" + name + "\" was never filled",
           "Call load(model, Safetensors{…}) first, or initialise(model, seed, Fill::everything) to start from nothing");
    }
  };
};

// Does backward reach this part of a model? receives_gradient<Retriever, Embeddings>.
template <class Model, class Part>
inline constexpr bool receives_gradient = Model::template receives_gradient<Part>;

}  // namespace towpath
