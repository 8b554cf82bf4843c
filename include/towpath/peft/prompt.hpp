#pragma once

#include "towpath/autodiff/module.hpp"
#include "towpath/peft/method.hpp"

namespace towpath {

// Prompt tuning (Lester et al. 2021), in a Bert: `Length` rows P [Length, H] before the words of each sequence, where word embeddings stand:
//   x0 = Norm( [P; word[ids]] + position[0 …] + type ),  the prompt's rows of type 0
// as peft and the adapters library have it: the prompt comes before [CLS], and takes the first positions, so that a text may have `Length`
// tokens less. What is read off the model is another matter: here the prompt's rows are dropped at the end (as PT-Retrieval does), so that
// CLS pooling takes the state of [CLS] and a mean is over the words, where peft leaves them in. It does not start at the backbone.
// Start: N(0, 0.02), as BERT's own tables. Name: prompt_embeddings, as peft's, under embeddings.
template <Index Length>
struct Prompt {
  using sites = Sites<at::InputTokens>;
  static_assert(Length > 0, "[towpath] Prompt: the length must be at least 1");

  template <class Env, class, Index Width>
  struct Module {
    static constexpr bool trains = true;
    static constexpr Index rows = Length;
    Tensor<Env> table{Length, Width};
    struct Grads {
      Tensor<Env> table{Length, Width};
    };
    template <class F, class... Ms>
    static constexpr void visit(F&& f, const Path& at, Ms&... ms) {
      f(at / "prompt_embeddings", Trainable{start::normal(0.02f)}, ms.table...);
    }
  };
};

}  // namespace towpath
