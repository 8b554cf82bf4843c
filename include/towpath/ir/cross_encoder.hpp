#pragma once

#include "towpath/autodiff/visit.hpp"
#include "towpath/base/check.hpp"
#include "towpath/data/collate.hpp"
#include "towpath/data/wordpiece.hpp"
#include "towpath/ir/tower_pair.hpp"
#include "towpath/loss/groups.hpp"
#include "towpath/model/bert.hpp"
#include "towpath/nn/activation.hpp"
#include "towpath/nn/dropout.hpp"
#include "towpath/nn/linear.hpp"
#include "towpath/nn/pooling.hpp"
#include "towpath/nn/under.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace towpath {

// A cross-encoder (Nogueira and Cho 2019): query and passage go through the encoder as one sequence, [CLS] query [SEP] passage [SEP] with
// segment ids, and come out as one number,
//   h = pool(Encoder(pair)),  c = tanh(h Wpᵀ + bp),  score = c wᵀ + b                          h, c [S, H], score [S, 1]
// with dropout on c; under ClsPooling that is transformers' BertForSequenceClassification with one label. Scores are plain numbers
// (log-odds under BinaryCrossEntropy), so of use for the order within a query.
//   Reranker::On<Cpu<float>> model{cpu};  load(model, Safetensors{…});  model.score(cpu, "a query", "a passage")
// Pooler and head train whatever the encoder does and are saved with what trains: a file of adapters without the head they grew up with
// is worth nothing. Names pooler.dense.… and classifier.…: a checkpoint that has them gives them their values, otherwise they stay as the
// environment's seed drew them. Freeze<CrossEncoder<…>> scores and trains nothing; CrossEncoder<Freeze<Encoder>> trains the head alone.
template <class Encoder, class Pooling = ClsPooling>
struct CrossEncoder {
  static_assert(!two_towers<Encoder>, "[towpath] CrossEncoder: query and passage are one sequence here, which has one tower: give it the "
                                      "encoder itself, with the methods of both lists in its layers");
  static constexpr bool trains = true;
  static constexpr Index hidden = Encoder::hidden;
  using shape = typename Encoder::shape;
  using Top = Chain<Dropped<Activated<Under<"pooler.dense", Linear<hidden, hidden>>, Tanh, hidden>>, Under<"classifier", Linear<hidden, 1>>>;
  template <class Part>
  static constexpr bool receives_gradient = Encoder::template receives_gradient<Part>;

  template <class Env>
  struct On {
    using Tower = typename Encoder::template On<Env>;
    using Head = typename Top::template On<Env>;
    static constexpr bool trains = CrossEncoder::trains;
    static constexpr Index hidden = CrossEncoder::hidden;
    using shape = typename CrossEncoder::shape;
    using Environment = Env;
    using Input = PairBatch;  // of forward, and its result
    using Output = GroupScores<Env>;

    Tower encoder;
    Head head;
    // (counting parameters happens in constant expressions, where there is no shared_ptr)
    std::conditional_t<std::is_same_v<Env, Blueprint>, Nothing<WordPiece>, std::shared_ptr<const WordPiece>> tokenizer;
    PairOptions pairs{};  // of score(query, passage)

    constexpr On() = default;  // without an environment: for counting
    explicit On(Env& env);
    Env& environment() const { return *env_; }

    struct Grads {
      using Module = On;
      [[no_unique_address]] typename Tower::Grads encoder;
      typename Head::Grads head;
    };
    template <class Pass>
    using Over = Above<Pass, Tower::trains>;
    template <class Pass>
    static constexpr bool keeps = Pooling::uses_input && active<Tower, Pass>;
    template <class Pass>
    struct Saved {
      [[no_unique_address]] typename Tower::template Saved<PassFor<Tower, Pass>> encoder;
      [[no_unique_address]] typename Head::template Saved<Over<Pass>> head;
      [[no_unique_address]] If<keeps<Pass>, Tensor<Env>, tag::output> tokens;  // [T, H]
      Tensor<Env> pooled;                                                      // [S, H]
    };

    template <class Pass>
    GroupScores<Env> forward(Env& env, const PairBatch& batch, Saved<Pass>& saved) const;
    template <class Pass>
    void backward(Env& env, View<Env> dscores, const PairBatch& batch, Saved<Pass>& saved, Grads& g) const;

    // One number for each sequence, [S, 1].
    Tensor<Env> score(Env& env, const Ragged& tokens) const;
    double score(Env& env, std::string_view query, std::string_view passage) const;

    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      Tower::visit(f, at, ms.encoder...);
      Head::visit(
          [&](const Path& name, auto tag, auto&... leaves) {
            tag.added = true;  // a file of a backbone need not have it
            f(name, tag, leaves...);
          },
          at, ms.head...);
    }

    // load() found the weights in this folder; a vocabulary beside them is theirs.
    void found_beside(const std::string& folder) {
      if (auto words = words_in(folder)) tokenizer = std::move(words);
    }

  private:
    template <class Pass>
    Tensor<Env> scored(Env& env, const Ragged& tokens, Saved<Pass>& saved) const {
      Tensor<Env> states = encoder.template forward<PassFor<Tower, Pass>, Pooling::only_firsts>(env, tokens, saved.encoder);
      saved.pooled = pool<Pooling, Env>(env, states, tokens);                                                     // [S, H]
      if constexpr (keeps<Pass>) saved.tokens = std::move(states);
      return head.template forward<Over<Pass>>(env, saved.pooled.view(), saved.head);                             // [S, 1]
    }

    Env* env_ = nullptr;
  };
};

// Members are defined out here for TOWPATH_EXTERN: see BiEncoder.

template <class Encoder, class Pooling>
template <class Env>
CrossEncoder<Encoder, Pooling>::On<Env>::On(Env& env) : env_(&env) {
  initialise(*this, env.seed());
}

template <class Encoder, class Pooling>
template <class Env>
template <class Pass>
GroupScores<Env> CrossEncoder<Encoder, Pooling>::On<Env>::forward(Env& env, const PairBatch& batch, Saved<Pass>& saved) const {
  return {scored<Pass>(env, batch.pairs, saved), batch.groups, batch.teacher, &env};
}
template <class Encoder, class Pooling>
template <class Env>
template <class Pass>
void CrossEncoder<Encoder, Pooling>::On<Env>::backward(Env& env, View<Env> dscores, const PairBatch& batch, Saved<Pass>& saved,
                                                       Grads& g) const {
  if constexpr (active<Tower, Pass>) {
    Tensor<Env> d = head.template backward<Over<Pass>>(env, dscores, saved.pooled.view(), saved.head, g.head);    // [S, H]
    View<Env> states;
    if constexpr (keeps<Pass>) states = saved.tokens;
    d = pool_backward<Pooling, Env>(env, std::move(d), states, batch.pairs);                                      // [T, H]
    encoder.template backward<PassFor<Tower, Pass>, Pooling::only_firsts>(env, d, batch.pairs, saved.encoder, g.encoder);
  } else {
    head.template backward<Over<Pass>>(env, dscores, saved.pooled.view(), saved.head, g.head);
  }
}

template <class Encoder, class Pooling>
template <class Env>
Tensor<Env> CrossEncoder<Encoder, Pooling>::On<Env>::score(Env& env, const Ragged& tokens) const {
  Saved<Infer> saved;
  return scored<Infer>(env, tokens, saved);
}
template <class Encoder, class Pooling>
template <class Env>
double CrossEncoder<Encoder, Pooling>::On<Env>::score(Env& env, std::string_view query, std::string_view passage) const {
  if (!tokenizer)
    fail("this model cannot score a text", "it has no tokenizer",
         "Load the weights from a folder that holds vocab.txt, or set model.tokenizer = std::make_shared<WordPiece>(\"vocab.txt\")");
  const Encoded e = encode_pair(*tokenizer, tokenizer->pieces(query), tokenizer->pieces(passage), pairs);
  Ragged one;
  one.add(e.ids, e.types);
  const Tensor<Env> scored = score(env, one);
  typename Env::Scalar value{};
  Env::Space::copy(&value, scored.data(), sizeof value);
  return static_cast<double>(value);
}

}  // namespace towpath
