#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/backend/op.hpp"
#include "towpath/nn/dropout.hpp"
#include "towpath/nn/layer_norm.hpp"

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

namespace towpath {

// The part of a model that turns ids into rows: a name to ask about, as in receives_gradient<Model, Embeddings>.
struct Embeddings {};

// No rows before the words.
struct NoPrompt {
  static constexpr bool trains = false;
  template <class Env>
  struct On {
    static constexpr Index rows = 0;
    struct Grads {};
    template <class F, class... Ms>
    static constexpr void visit(F&&, const Path&, Ms&...) {}
  };
};

// A batch in which n rows stand before the words of each sequence, with each row's position and type.
struct Prompted : Prefixed {
  std::vector<std::int32_t> positions, types;

  Prompted(const Ragged& tokens, Index n) : Prefixed(tokens, n), types(static_cast<std::size_t>(this->tokens()), 0) {
    for (Index s = 0; s < count(); ++s)
      for (Index i = 0; i < length(s); ++i) positions.push_back(static_cast<std::int32_t>(i));
    for (std::size_t t = 0; t < own.size(); ++t) types[static_cast<std::size_t>(own[t])] = tokens.types[t];
  }
};

// BERT's embeddings (Devlin et al. 2019): x_t = Norm( word[id_t] + position[t - start of its sequence] + type[segment_t] ), then
// dropout; ids [T] -> [T, H]. Tables and norm train or not each for themselves. The input is not a matrix, so backward never
// returns a gradient of it, and if nothing here trains there is no backward.
// With a Prompt of n rows these stand before the words of each sequence as if they were words themselves, at positions 0 … n - 1 and of
// type 0 (the words begin at position n): ids [T] -> [T + n S, H], laid out as Prompted says. All positions are counted from row `first` of
// their table.
template <class Shape, bool tables_train, bool norm_weight_trains = tables_train, bool norm_bias_trains = tables_train,
          class Prompt = NoPrompt, Index first = 0>
struct BertEmbeddings {
  static_assert(first >= 0 && first < Shape::positions,
                "[towpath] a text's first position lies outside the position table: see PositionsFrom");
  static constexpr bool trains = tables_train || norm_weight_trains || norm_bias_trains || Prompt::trains;

  template <class Env>
  struct On {
    using Norm = typename LayerNorm<Shape, norm_weight_trains, norm_bias_trains>::template On<Env>;
    using Table = Weight<Env, tables_train>;
    using PromptOn = typename Prompt::template On<Env>;
    static constexpr bool trains = BertEmbeddings::trains;
    static constexpr Index prompt_rows = PromptOn::rows, positions = Shape::positions - first;

    Table word{Shape::vocabulary, Shape::hidden}, position{Shape::positions, Shape::hidden}, type{Shape::types, Shape::hidden};
    Norm norm;
    [[no_unique_address]] PromptOn prompt;

    template <class Tag>
    using GradientOf = If<tables_train, Tensor<Env>, Tag>;
    struct Grads {
      [[no_unique_address]] GradientOf<tag::word> word = blank<GradientOf<tag::word>>(Shape::vocabulary, Shape::hidden);
      [[no_unique_address]] GradientOf<tag::position> position = blank<GradientOf<tag::position>>(Shape::positions, Shape::hidden);
      [[no_unique_address]] GradientOf<tag::type> type = blank<GradientOf<tag::type>>(Shape::types, Shape::hidden);
      [[no_unique_address]] typename Norm::Grads norm;
      [[no_unique_address]] typename PromptOn::Grads prompt;
    };
    // the norm's pass: below it stand the tables and the prompt
    template <class Pass>
    using Over = PassFor<Norm, Above<Pass, tables_train || Prompt::trains>>;
    template <class Pass>
    struct Saved {
      [[no_unique_address]] typename Norm::template Saved<Over<Pass>> norm;
      [[no_unique_address]] If<Norm::template uses_input<Over<Pass>>, Tensor<Env>, tag::sum> sum;  // [T, H]
      [[no_unique_address]] If<active<On, Pass>, Mask, tag::mask> mask;
    };

    template <class Pass>
    Tensor<Env> forward(Env& env, const Ragged& tokens, Saved<Pass>& saved) const {
      check(tokens);
      Tensor<Env> sum = summed(env, tokens);
      if constexpr (!tables_train)
        if (tokens.tokens() >= env.settings().repack) word.idle();  // a mapped table comes in pages with their neighbours; they may go again
      Tensor<Env> y = norm.template forward<Over<Pass>>(env, sum, saved.norm);
      if constexpr (Pass::random) {
        const Mask mask = env.mask();
        op::dropout(env, mask, y);
        if constexpr (active<On, Pass>) saved.mask = mask;
      }
      if constexpr (Norm::template uses_input<Over<Pass>>) saved.sum = std::move(sum);
      return y;
    }
    template <class Pass>
    void backward(Env& env, View<Env> dy, const Ragged& tokens, Saved<Pass>& saved, Grads& g) const {
      Tensor<Env> dropped;
      if (saved.mask.rate != 0) {
        dropped = op::copy(env, dy);
        op::dropout(env, saved.mask, dropped);
        dy = dropped;
      }
      View<Env> sum;
      if constexpr (Norm::template uses_input<Over<Pass>>) sum = saved.sum;
      if constexpr (tables_train || Prompt::trains) {
        const Tensor<Env> d = norm.template backward<Over<Pass>>(env, dy, sum, saved.norm, g.norm);
        hand_down(env, d, tokens, g);
      } else {
        norm.template backward<Over<Pass>>(env, dy, sum, saved.norm, g.norm);
      }
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      const Trained<tables_train> drawn{start::normal(0.02f)};
      f(at / "word_embeddings.weight", drawn, ms.word...);
      f(at / "position_embeddings.weight", drawn, ms.position...);
      f(at / "token_type_embeddings.weight", drawn, ms.type...);
      Norm::visit(f, at / "LayerNorm", ms.norm...);
      PromptOn::visit(f, at, ms.prompt...);
    }

  private:
    template <class V>
    static V from_first(V table) {
      return table.row_block(first, positions);
    }
    Tensor<Env> summed(Env& env, const Ragged& tokens) const {
      if constexpr (prompt_rows == 0) {
        Tensor<Env> sum = op::gather_rows<Env>(env, word, tokens.ids);
        op::gather_rows_add<Env>(env, from_first(position.view()), tokens.positions, sum);
        op::gather_rows_add<Env>(env, type, tokens.types, sum);
        return sum;
      } else {
        const Prompted at(tokens, prompt_rows);
        Tensor<Env> sum = op::gather_rows<Env>(env, from_first(position.view()), at.positions);
        op::gather_rows_add<Env>(env, type, at.types, sum);
        op::scatter_rows_add<Env>(env, op::gather_rows<Env>(env, word, tokens.ids), at.own, sum);
        op::scatter_rows_add<Env>(env, op::gather_rows<Env>(env, prompt.table, at.which), at.before, sum);
        return sum;
      }
    }
    static void hand_down(Env& env, View<Env> d, const Ragged& tokens, Grads& g) {
      if constexpr (prompt_rows == 0) {
        op::scatter_rows_add<Env>(env, d, tokens.ids, g.word);
        op::scatter_rows_add<Env>(env, d, tokens.positions, from_first(g.position.writable()));
        op::scatter_rows_add<Env>(env, d, tokens.types, g.type);
      } else {
        const Prompted at(tokens, prompt_rows);
        op::scatter_rows_add<Env>(env, op::gather_rows<Env>(env, d, at.before), at.which, g.prompt.table);
        if constexpr (tables_train) {
          op::scatter_rows_add<Env>(env, op::gather_rows<Env>(env, d, at.own), tokens.ids, g.word);
          op::scatter_rows_add<Env>(env, d, at.positions, from_first(g.position.writable()));
          op::scatter_rows_add<Env>(env, d, at.types, g.type);
        }
      }
    }
    // An id or a position without a row would be read from somewhere else in memory, so release builds look too.
    static void check(const Ragged& tokens) {
      if (tokens.longest() + prompt_rows > positions)
        fail("a text has " + std::to_string(tokens.longest()) + " tokens" +
                 (prompt_rows > 0 ? " after a prompt of " + std::to_string(prompt_rows) : "") +
                 (first > 0 ? " from position " + std::to_string(first) + " on" : ""),
             "the position table has " + std::to_string(Shape::positions) + " rows",
             "Cut texts to that length when they are tokenised");
      for (const auto& [ids, rows, what] : {std::tuple{&tokens.ids, Shape::vocabulary, "token id "}, std::tuple{&tokens.types, Shape::types, "segment id "}})
        for (std::int32_t id : *ids)
          if (id < 0 || id >= rows)
            fail(what + std::to_string(id) + " has no embedding", "the table has " + std::to_string(rows) + " rows", "Use the vocabulary that belongs to the weights");
    }
  };
};

}  // namespace towpath
