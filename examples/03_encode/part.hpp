// Encoding for one shape and every method; pooling and similarity are chosen at run time, since inference alone needs no types for them.
#pragma once

#include "../device.hpp"
#include "task.hpp"

namespace encoding::TOWPATH_WHERE {

using namespace towpath;
using Env = program::TOWPATH_WHERE::Device;

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
  Env env({.threads = task.threads, .bf16 = task.weights == "bf16"});
  Embedder<Encoder> model{{}, task};
  load(model.encoder, Safetensors(task.model + "/model.safetensors"));
  if constexpr (Encoder::trains) load_trainable(model.encoder, Safetensors(task.adapter));
  const WordPiece words(task.model);
  EncodeFileOptions options{.form = task.format == "tsv"     ? Form::tsv
                                    : task.format == "jsonl" ? Form::jsonl
                                    : task.format == "lines" ? Form::lines
                                                             : form_of(task.in),
                            .chunk = task.chunk,
                            .resume = task.resume};
  options.encode.max_length = std::min(task.max_length, Encoder::shape::positions);
  options.encode.batch_tokens = task.batch_tokens;
  options.encode.progress = task.quiet ? nullptr : stderr;
  options.identity = task.method + (task.budget == "none" ? "" : " at " + task.budget + " %") + " on " + std::string(Encoder::shape::name) + ", " + task.pooling +
                     (task.dot ? ", own length" : ", length 1") + (task.weights == "bf16" ? ", weights in bf16" : "");
  const EncodeFileTally tally = encode_file(model, env, words, task.in, task.out, options);
  if (tally.resumed) std::printf("resumed after %td texts\n", tally.resumed);
  const double rate = tally.seconds > 0 ? static_cast<double>(tally.fresh) / tally.seconds : 0;
  std::printf("%td texts, %td tokens, %td cut, %td empty: %.1f s, %.0f tokens/s -> %s [%td, %td]\n", tally.texts, tally.tokens, tally.truncated, tally.empty,
              tally.seconds, rate, task.out.c_str(), tally.texts, Encoder::hidden);
  return {{"texts", tally.texts},     {"tokens", tally.tokens},   {"truncated", tally.truncated}, {"empty", tally.empty},
          {"resumed", tally.resumed}, {"seconds", tally.seconds}, {"tokens_per_second", rate},    {"width", Encoder::hidden}, {"peak_bytes", program::peak_memory()}};
}

template <class Shape>
Json encode_shape(const Task& task) {
  return methods::with_method<Shape>(task.method, task.budget, [&]<class Encoder>(double) { return encode<Encoder>(task); });
}

}  // namespace encoding::TOWPATH_WHERE

// The build compiles this for each shape in a file of its own.
#define TOWPATH_PART(Shape) template towpath::Json encoding::TOWPATH_WHERE::encode_shape<Shape>(const encoding::Task&);
