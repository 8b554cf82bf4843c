#pragma once

#include "towpath/model/bert.hpp"

#include <span>

namespace towpath {

// A masked language model over an encoder (Devlin et al. 2019): for the hidden states h [M, H] of the masked tokens,
//   logits = Norm( gelu( h Wᵀ + b ) ) Eᵀ + c,  E the encoder's word embeddings (tied), c [V]        -> [M, V]
// Other tokens get no logits. The head always trains; E trains if the encoder's embeddings do, and then receives both gradients.
// Names: the encoder's, and cls.predictions.transform.dense.…, cls.predictions.transform.LayerNorm.…, cls.predictions.bias.
template <class Encoder>
struct MaskedLanguageModel {
  static constexpr bool trains = true;
  using shape = typename Encoder::shape;
  static constexpr Index hidden = shape::hidden;
  using Transform = Chain<Under<"dense", Linear<hidden, hidden>>, Activation<typename shape::Activation>, Under<"LayerNorm", LayerNorm<shape, true>>>;

  template <class Env>
  struct On {
    using Tower = typename Encoder::template On<Env>;
    using Head = typename Transform::template On<Env>;
    static constexpr bool trains = true;
    using Environment = Env;

    Tower encoder;
    Head transform;
    Tensor<Env> bias{shape::vocabulary};

    struct Grads {
      using Module = On;
      [[no_unique_address]] typename Tower::Grads encoder;
      typename Head::Grads transform;
      Tensor<Env> bias{shape::vocabulary};
    };
    template <class Pass>
    using Over = Above<Pass, Tower::trains>;
    template <class Pass>
    struct Saved {
      typename Tower::template Saved<PassFor<Tower, Pass>> encoder;
      typename Head::template Saved<Over<Pass>> transform;
      Tensor<Env> masked, transformed;  // [M, H]
    };

    template <class Pass>
    Tensor<Env> forward(Env& env, const Ragged& tokens, op::Ids rows, Saved<Pass>& saved) const {
      const Tensor<Env> states = encoder.template forward<PassFor<Tower, Pass>>(env, tokens, saved.encoder);              // [T, H]
      saved.masked = op::gather_rows<Env>(env, states, rows);                                                             // [M, H]
      saved.transformed = transform.template forward<Over<Pass>>(env, saved.masked.view(), saved.transform);
      op::FinishOf<Env> finish;
      finish.bias = bias;
      return op::nt<Env>(env, saved.transformed, encoder.embeddings.word, finish);                                        // [M, V]
    }
    template <class Pass>
    void backward(Env& env, View<Env> dlogits, const Ragged& tokens, op::Ids rows, Saved<Pass>& saved, Grads& g) const {
      op::column_sums_add<Env>(env, dlogits, g.bias);
      if constexpr (Encoder::tables) op::tn_add<Env>(env, dlogits, saved.transformed, g.encoder.embeddings.word);         // dE += dlᵀ t
      const Tensor<Env> dt = op::nn<Env>(env, dlogits, encoder.embeddings.word);                                          // [M, H]
      if constexpr (Tower::trains) {
        const Tensor<Env> dm = transform.template backward<Over<Pass>>(env, dt, saved.masked.view(), saved.transform, g.transform);
        const Tensor<Env> dstates = op::scatter_rows<Env>(env, dm, rows, tokens.tokens());                                // [T, H]
        encoder.template backward<PassFor<Tower, Pass>>(env, dstates, tokens, saved.encoder, g.encoder);
      } else {
        transform.template backward<Over<Pass>>(env, dt, saved.masked.view(), saved.transform, g.transform);
      }
    }
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      Tower::visit(f, at, ms.encoder...);
      Head::visit(f, at / "cls.predictions.transform", ms.transform...);
      f(at / "cls.predictions.bias", Trainable{}, ms.bias...);
    }
  };
};

}  // namespace towpath
