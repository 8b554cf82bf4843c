// Encoding for one shape and every method; pooling and similarity are chosen at run time, since inference alone needs no types for them.
#pragma once

#include "task.hpp"

#include <towpath/towpath.hpp>

namespace encoding {

using namespace towpath;
using Env = Cpu<float>;

template <class Encoder>
struct Embedder {
  static constexpr Index hidden = Encoder::hidden;
  typename Encoder::template On<Env> encoder;
  const Task& task;

  Tensor<Env> encode(Env& env, const Ragged& tokens) const {
    typename Encoder::template On<Env>::template Saved<Infer> saved;
    const Tensor<Env> states = encoder.template forward<Infer>(env, tokens, saved);
    Tensor<Env> pooled = task.pooling == "cls"   ? ClsPooling::forward<Env>(env, states, tokens)
                         : task.pooling == "max" ? MaxPooling::forward<Env>(env, states, tokens)
                                                 : MeanPooling::forward<Env>(env, states, tokens);
    Tensor<Env> norms;
    if (task.dot) return pooled;
    return op::normalise_rows<Env>(env, pooled, norms);
  }
};

template <class Encoder>
Json encode(const Task& task) {
  Env env({.threads = task.threads});
  Embedder<Encoder> model{{}, task};
  load(model.encoder, Safetensors(task.model + "/model.safetensors"));
  if constexpr (Encoder::trains) load_trainable(model.encoder, Safetensors(task.adapter));
  const WordPiece words(task.model);
  Lines lines(task.in);
  Pieces texts;
  Index empty = 0;
  for (std::string_view line; lines.next(line);) {
    texts.add(words.pieces(line));
    empty += line.empty();
  }
  if (texts.count() == 0) fail(task.in + " has no line", "there is nothing to encode", "Give a file with one text per line");
  EncodeTally tally;
  const Stopwatch watch;
  const Tensor<Env> vectors =
      encode_all(model, env, words, texts, {.max_length = std::min(task.max_length, Encoder::shape::positions), .progress = stderr}, &tally);
  const double seconds = watch.seconds();
  write_npy(task.out, vectors.data(), {vectors.rows(), vectors.columns()});
  std::printf("%td texts, %td tokens, %td cut, %td empty: %.1f s, %.0f tokens/s -> %s [%td, %td]\n", texts.count(), tally.tokens, tally.truncated, empty, seconds,
              static_cast<double>(tally.tokens) / seconds, task.out.c_str(), vectors.rows(), vectors.columns());
  return {{"texts", texts.count()}, {"tokens", tally.tokens}, {"truncated", tally.truncated}, {"empty", empty}, {"seconds", seconds}, {"width", vectors.columns()}};
}

template <class Shape>
Json encode_shape(const Task& task) {
  return methods::with_method<Shape>(task.method, task.budget, [&]<class Encoder>(double) { return encode<Encoder>(task); });
}

}  // namespace encoding

// The build compiles this for each shape in a file of its own.
#define TOWPATH_PART(Shape) template towpath::Json encoding::encode_shape<Shape>(const encoding::Task&);
