// Whole steps of MiniLM, forward, backward and update, per method: real tokens per second, and the bytes that the pool held at most. Lengths
// as in retrieval: queries of about 9 tokens, passages of about 75 (or 128 each). Weights are drawn; speed does not depend on them.
#include <towpath/towpath.hpp>

#include <benchmark/benchmark.h>

using namespace towpath;
using F32 = Cpu<float>;
using Bf16 = Cpu<float, bf16>;  // frozen weights in bf16

namespace {

Batch batch(bool equal) {
  Random r(3, 1);
  Batch b;
  const auto add = [&](Ragged& to, Index mean) {
    const Index n = equal ? 128 : std::clamp<Index>(static_cast<Index>(static_cast<double>(mean) * (0.4 + 1.2 * r.uniform())), 3, 256);
    std::vector<std::int32_t> ids;
    for (Index t = 0; t < n; ++t) ids.push_back(static_cast<std::int32_t>(1000 + r.below(20000)));
    to.add(ids);
  };
  const Index queries = equal ? 4 : 16, passages = equal ? 12 : 48;
  for (Index i = 0; i < queries; ++i) add(b.queries, 9), b.positive.push_back(i);
  for (Index i = 0; i < passages; ++i) add(b.passages, 75);
  return b;
}

template <class... Methods>
using Encoder = Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM, Methods...>>>;

template <class Env, class E>
void encode(benchmark::State& state) {
  Env env({.threads = state.range(0)});
  typename BiEncoder<E, MeanPooling, Cosine>::template On<Env> model(env);
  initialise(model, 1, Fill::everything);
  const Batch b = batch(state.range(1) != 0);
  for (auto _ : state) benchmark::DoNotOptimize(model.encode(env, b.passages).data());
  state.counters["tokens/s"] = benchmark::Counter(static_cast<double>(b.passages.tokens()), benchmark::Counter::kIsIterationInvariantRate);
}

template <class Env, class E>
void step(benchmark::State& state) {
  using Model = typename BiEncoder<E, MeanPooling, Cosine>::template On<Env>;
  Env env({.threads = state.range(0)});
  Model model(env);
  initialise(model, 1, Fill::everything);
  typename Model::template Saved<Learn<false>> saved;
  typename Model::Grads grads;
  AdamW<Model> adam(model, Adam{.rate = 1e-5});
  const Batch b = batch(state.range(1) != 0);
  const InfoNce loss{};
  for (auto _ : state) {
    zero(grads);
    const auto l = loss(model.forward(env, b, saved));
    model.backward(env, l.gradient, b, saved, grads);
    adam.update(env, model, grads);
  }
  const auto tokens = static_cast<double>(b.queries.tokens() + b.passages.tokens());
  state.counters["tokens/s"] = benchmark::Counter(tokens, benchmark::Counter::kIsIterationInvariantRate);
}

void ways(benchmark::internal::Benchmark* b) {
  b->ArgNames({"threads", "equal"})->ArgsProduct({{1, 2}, {0, 1}})->UseRealTime()->Unit(benchmark::kMillisecond);
}
BENCHMARK_TEMPLATE(encode, F32, Encoder<>)->Name("encode")->Apply(ways);
BENCHMARK_TEMPLATE(step, F32, Encoder<LoRA<8>>)->Name("step/lora")->Apply(ways);
BENCHMARK_TEMPLATE(step, F32, Encoder<Adapter<12>>)->Name("step/adapter")->Apply(ways);
BENCHMARK_TEMPLATE(step, F32, Encoder<Adapter<12>, Pathway<Aside<12>>>)->Name("step/iaa-l")->Apply(ways);
BENCHMARK_TEMPLATE(step, F32, Encoder<BitFit>)->Name("step/bitfit")->Apply(ways);
using Top = Bert<MiniLM, Segments<Repeat<4, TransformerLayer<MiniLM>>, Repeat<2, TransformerLayer<MiniLM, LoRA<8>>>>>;
BENCHMARK_TEMPLATE(step, F32, Top)->Name("step/lora-top-two")->Apply(ways);
using Full = Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM, FullTuning>>, FullTuning>;
BENCHMARK_TEMPLATE(step, F32, Full)->Name("step/full")->Apply(ways);

BENCHMARK_TEMPLATE(encode, Bf16, Encoder<>)->Name("encode/bf16")->Apply(ways);
BENCHMARK_TEMPLATE(step, Bf16, Encoder<LoRA<8>>)->Name("step/lora/bf16")->Apply(ways);

}  // namespace

BENCHMARK_MAIN();
