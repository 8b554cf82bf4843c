#pragma once

#include "towpath/autodiff/visit.hpp"
#include "towpath/backend/op.hpp"
#include "towpath/base/check.hpp"
#include "towpath/data/collate.hpp"
#include "towpath/data/wordpiece.hpp"
#include "towpath/ir/similarity.hpp"
#include "towpath/ir/tower_pair.hpp"
#include "towpath/loss/scores.hpp"
#include "towpath/model/bert.hpp"
#include "towpath/nn/pooling.hpp"

#include <memory>
#include <string>

namespace towpath {

// A bi-encoder with one encoder for both sides (Reimers and Gurevych 2019; Karpukhin et al. 2020): e(text) = pool(Encoder(text)), divided by
// its length under Cosine; score(q, p) = e(q) · e(p). Queries and passages of a batch go through the encoder as one ragged batch.
//   Retriever::On<Cpu<float>> model{cpu};  load(model, Safetensors{…});  model.encode(cpu, "a text")
// encode(text) needs a tokenizer: load() takes the vocab.txt beside the weights, or set `tokenizer`.
// With a TowerPair for the Encoder queries and passages go through it separately, and encode() is told which of the two a text is.
template <class Encoder, class Pooling, class Similarity = Cosine>
struct BiEncoder {
  static constexpr bool trains = Encoder::trains;
  static constexpr Index hidden = Encoder::hidden;
  using shape = typename Encoder::shape;
  template <class Part>
  static constexpr bool receives_gradient = Encoder::template receives_gradient<Part>;

  template <class Env>
  struct On {
    using Tower = typename Encoder::template On<Env>;
    static constexpr bool trains = BiEncoder::trains;
    static constexpr Index hidden = BiEncoder::hidden;
    using shape = typename BiEncoder::shape;
    using Environment = Env;
    using Input = Batch;  // of forward, and its result
    using Output = Scores<Env>;

    Tower encoder;
    // (counting parameters happens in constant expressions, where there is no shared_ptr)
    std::conditional_t<std::is_same_v<Env, Blueprint>, Nothing<WordPiece>, std::shared_ptr<const WordPiece>> tokenizer;
    Index max_length = 128;  // of encode(text), in tokens

    constexpr On() = default;  // without an environment: for counting
    explicit On(Env& env);
    Env& environment() const { return *env_; }

    struct Grads {
      using Module = On;
      [[no_unique_address]] typename Tower::Grads encoder;
    };
    template <class Pass>
    struct Saved {
      [[no_unique_address]] typename Tower::template Saved<PassFor<Tower, Pass>> encoder;
      [[no_unique_address]] If<Pooling::uses_input && active<Tower, Pass>, Tensor<Env>, tag::output> tokens;  // [T, H]
      Tensor<Env> embeddings, norms;  // [queries + passages, H], [queries + passages, 1]
      Ragged all;
    };

    template <class Pass>
    Scores<Env> forward(Env& env, const Batch& batch, Saved<Pass>& saved) const;
    template <class Pass>
    void backward(Env& env, View<Env> dscores, const Batch& batch, Saved<Pass>& saved, Grads& g) const;
    // The same from the states of the encoder's bottom on, [T, H], the tokens of the queries before those of the passages.
    template <class Pass>
    Scores<Env> forward_from(Env& env, View<Env> states, const Batch& batch, Saved<Pass>& saved) const;
    template <class Pass>
    void backward_from(Env& env, View<Env> dscores, View<Env> states, const Batch& batch, Saved<Pass>& saved, Grads& g) const;

    // One row per sequence. With one tower the side makes no difference and need not be named.
    Tensor<Env> encode(Env& env, const Ragged& tokens, Side side) const;
    Tensor<Env> encode(Env& env, std::string_view text, Side side) const;
    Tensor<Env> encode(Env& env, const Ragged& tokens) const
      requires(!two_towers<Encoder>)
    {
      return encode(env, tokens, Side::passage);
    }
    Tensor<Env> encode(Env& env, std::string_view text) const
      requires(!two_towers<Encoder>)
    {
      return encode(env, text, Side::passage);
    }

    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      Tower::visit(f, at, ms.encoder...);
    }

    // load() found the weights in this folder; a vocabulary beside them is theirs.
    void found_beside(const std::string& folder);

  private:
    static void join(const Batch& batch, Ragged& all) {
      all = batch.queries;
      for (Index s = 0; s < batch.passages.count(); ++s) {
        const auto from = static_cast<std::size_t>(batch.passages.begin(s)), n = static_cast<std::size_t>(batch.passages.length(s));
        all.add(batch.passages.sequence(s), {batch.passages.types.data() + from, n});
      }
    }
    // From what the encoder gives to the scores, and back.
    template <class Pass>
    Scores<Env> score(Env& env, Tensor<Env> states, const Batch& batch, Saved<Pass>& saved) const {
      saved.embeddings = embed(env, states, saved.all, saved.norms);                                                // [Q + P, H]
      if constexpr (Pooling::uses_input && active<Tower, Pass>) saved.tokens = std::move(states);
      const auto [q, p] = sides(saved.embeddings, batch);
      return {op::nt(env, q, p), batch.positive, batch.also_relevant, &env};                                        // [Q, P]
    }
    template <class Pass>
    Tensor<Env> score_backward(Env& env, View<Env> dscores, const Batch& batch, const Saved<Pass>& saved) const {
      const auto [q, p] = sides(saved.embeddings, batch);
      auto d = op::zeros(env, q.rows + p.rows, hidden);
      Env::Ops::nn(env, dscores, p, d.writable().row_block(0, q.rows));                                             // dq = ds p
      op::tn_add(env, dscores, q, d.writable().row_block(q.rows, p.rows));                                          // dp = dsᵀ q
      if constexpr (Similarity::normalises) d = op::normalise_rows_backward<Env>(env, d, saved.embeddings, saved.norms);
      View<Env> states;
      if constexpr (Pooling::uses_input && active<Tower, Pass>) states = saved.tokens;
      return pool_backward<Pooling, Env>(env, std::move(d), states, saved.all);                                     // [T, H]
    }
    Tensor<Env> embed(Env& env, View<Env> states, const Sequences& sequences, Tensor<Env>& norms) const {
      Tensor<Env> pooled = pool<Pooling, Env>(env, states, sequences);
      if constexpr (Similarity::normalises) return op::normalise_rows<Env>(env, pooled, norms);
      else return pooled;
    }
    static std::pair<View<Env>, View<Env>> sides(const Tensor<Env>& embeddings, const Batch& batch) {
      const View<Env> all = embeddings;
      return {all.row_block(0, batch.queries.count()), all.row_block(batch.queries.count(), batch.passages.count())};
    }

    Env* env_ = nullptr;
  };
};

// Members are defined out here because a function that is defined in its class is inline, and the compiler goes through an inline function
// even where TOWPATH_EXTERN (train/instantiate.hpp) says that it is compiled elsewhere.

template <class Encoder, class Pooling, class Similarity>
template <class Env>
BiEncoder<Encoder, Pooling, Similarity>::On<Env>::On(Env& env) : env_(&env) {
  initialise(*this, env.seed());
}

template <class Encoder, class Pooling, class Similarity>
template <class Env>
template <class Pass>
Scores<Env> BiEncoder<Encoder, Pooling, Similarity>::On<Env>::forward(Env& env, const Batch& batch, Saved<Pass>& saved) const {
  join(batch, saved.all);
  using Below = PassFor<Tower, Pass>;
  Tensor<Env> states;
  if constexpr (two_towers<Encoder>)
    states = encoder.template forward<Below, Pooling::only_firsts>(env, batch.queries, batch.passages, saved.encoder);
  else states = encoder.template forward<Below, Pooling::only_firsts>(env, saved.all, saved.encoder);
  return score<Pass>(env, std::move(states), batch, saved);
}
template <class Encoder, class Pooling, class Similarity>
template <class Env>
template <class Pass>
void BiEncoder<Encoder, Pooling, Similarity>::On<Env>::backward(Env& env, View<Env> dscores, const Batch& batch, Saved<Pass>& saved,
                                                                      Grads& g) const {
  const Tensor<Env> d = score_backward<Pass>(env, dscores, batch, saved);
  using Below = PassFor<Tower, Pass>;
  if constexpr (two_towers<Encoder>)
    encoder.template backward<Below, Pooling::only_firsts>(env, d, batch.queries, batch.passages, saved.encoder, g.encoder);
  else encoder.template backward<Below, Pooling::only_firsts>(env, d, saved.all, saved.encoder, g.encoder);
}
template <class Encoder, class Pooling, class Similarity>
template <class Env>
template <class Pass>
Scores<Env> BiEncoder<Encoder, Pooling, Similarity>::On<Env>::forward_from(Env& env, View<Env> states, const Batch& batch,
                                                                                 Saved<Pass>& saved) const {
  join(batch, saved.all);
  Tensor<Env> top = encoder.template forward_from<PassFor<Tower, Pass>, Pooling::only_firsts>(env, states, saved.all, saved.encoder);
  return score<Pass>(env, std::move(top), batch, saved);
}
template <class Encoder, class Pooling, class Similarity>
template <class Env>
template <class Pass>
void BiEncoder<Encoder, Pooling, Similarity>::On<Env>::backward_from(Env& env, View<Env> dscores, View<Env> states, const Batch& batch,
                                                                           Saved<Pass>& saved, Grads& g) const {
  const Tensor<Env> d = score_backward<Pass>(env, dscores, batch, saved);
  encoder.template backward_from<PassFor<Tower, Pass>, Pooling::only_firsts>(env, d, states, saved.all, saved.encoder, g.encoder);
}

template <class Encoder, class Pooling, class Similarity>
template <class Env>
Tensor<Env> BiEncoder<Encoder, Pooling, Similarity>::On<Env>::encode(Env& env, const Ragged& tokens, [[maybe_unused]] Side side) const {
  Tensor<Env> states, norms;
  if constexpr (two_towers<Encoder>) {
    states = encoder.template infer<Pooling::only_firsts>(env, tokens, side);
  } else {
    typename Tower::template Saved<Infer> saved;
    states = encoder.template forward<Infer, Pooling::only_firsts>(env, tokens, saved);
  }
  return embed(env, states, tokens, norms);
}
template <class Encoder, class Pooling, class Similarity>
template <class Env>
Tensor<Env> BiEncoder<Encoder, Pooling, Similarity>::On<Env>::encode(Env& env, std::string_view text, Side side) const {
  if (!tokenizer)
    fail("this model cannot encode a text", "it has no tokenizer",
         "Load the weights from a folder that holds vocab.txt, or set model.tokenizer = std::make_shared<WordPiece>(\"vocab.txt\")");
  Ragged one;
  append(one, *tokenizer, text, max_length);
  return encode(env, one, side);
}

template <class Encoder, class Pooling, class Similarity>
template <class Env>
void BiEncoder<Encoder, Pooling, Similarity>::On<Env>::found_beside(const std::string& folder) {
  if (auto words = words_in(folder)) tokenizer = std::move(words);
}

}  // namespace towpath
