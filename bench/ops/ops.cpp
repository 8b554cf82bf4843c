// Operations of the CPU backend at the sizes of MiniLM and BERT-base. FLOP/s and bytes/s are counters; compare ratios within one run.
#include <towpath/backend/cpu/cpu.hpp>
#include <towpath/backend/op.hpp>

#include <benchmark/benchmark.h>

using namespace towpath;
using Env = Cpu<float>;

namespace {

Tensor<Env> random_tensor(Index rows, Index columns, std::uint64_t stream) {
  Tensor<Env> t(rows, columns);
  Random r(1, stream);
  for (Index i = 0; i < t.size(); ++i) t.data()[i] = static_cast<float>(2 * r.uniform() - 1);
  return t;
}
void flops(benchmark::State& state, double each) {
  state.counters["FLOP/s"] = benchmark::Counter(each, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}

// tokens, inputs, outputs, threads
void nt(benchmark::State& state) {
  Env env({.threads = state.range(3)});
  const auto x = random_tensor(state.range(0), state.range(1), 1), w = random_tensor(state.range(2), state.range(1), 2);
  for (auto _ : state) benchmark::DoNotOptimize(op::nt<Env>(env, x, w).data());
  flops(state, 2.0 * static_cast<double>(state.range(0) * state.range(1) * state.range(2)));
}
void nn(benchmark::State& state) {
  Env env({.threads = state.range(3)});
  const auto dy = random_tensor(state.range(0), state.range(2), 1), w = random_tensor(state.range(2), state.range(1), 2);
  for (auto _ : state) benchmark::DoNotOptimize(op::nn<Env>(env, dy, w).data());
  flops(state, 2.0 * static_cast<double>(state.range(0) * state.range(1) * state.range(2)));
}
void tn_add(benchmark::State& state) {
  Env env({.threads = state.range(3)});
  const auto dy = random_tensor(state.range(0), state.range(2), 1), x = random_tensor(state.range(0), state.range(1), 2);
  Tensor<Env> g(state.range(2), state.range(1));
  for (auto _ : state) op::tn_add<Env>(env, dy, x, g);
  flops(state, 2.0 * static_cast<double>(state.range(0) * state.range(1) * state.range(2)));
}
void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"tokens", "in", "out", "threads"});
  for (Index threads : {1, 2})
    for (auto [in, out] : {std::pair<Index, Index>{384, 384}, {384, 1536}, {1536, 384}, {768, 3072}, {384, 12}}) b->Args({2048, in, out, threads});
}
BENCHMARK(nt)->Apply(sizes)->UseRealTime();
BENCHMARK(nn)->Apply(sizes)->UseRealTime();
BENCHMARK(tn_add)->Apply(sizes)->UseRealTime();

// sequences, length, threads
void attention(benchmark::State& state) {
  Env env({.threads = state.range(2)});
  Sequences s;
  for (Index i = 0; i < state.range(0); ++i) s.offsets.push_back(s.offsets.back() + state.range(1));
  const auto q = random_tensor(s.tokens(), 384, 1), k = random_tensor(s.tokens(), 384, 2), v = random_tensor(s.tokens(), 384, 3);
  Tensor<Env> p;
  for (auto _ : state) benchmark::DoNotOptimize(op::attention<Env>(env, q, k, v, {}, {}, s, 12, {}, p).data());
  state.counters["tokens/s"] = benchmark::Counter(static_cast<double>(s.tokens()), benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(attention)->ArgNames({"sequences", "length", "threads"})->ArgsProduct({{64}, {8, 32, 128}, {1, 2}})->UseRealTime();

void layer_norm(benchmark::State& state) {
  Env env({.threads = 1});
  const auto x = random_tensor(2048, 384, 1), g = random_tensor(1, 384, 2), b = random_tensor(1, 384, 3);
  Tensor<Env> stats;
  for (auto _ : state) benchmark::DoNotOptimize(op::layer_norm<Env>(env, x, g, b, 1e-12, stats).data());
  state.SetItemsProcessed(state.iterations() * x.size());
}
BENCHMARK(layer_norm);

template <class F>
void activation(benchmark::State& state) {
  Env env({.threads = 1});
  const auto x = random_tensor(2048, 1536, 1);
  for (auto _ : state) benchmark::DoNotOptimize(op::unary<F, Env>(env, x).data());
  state.SetItemsProcessed(state.iterations() * x.size());
}
BENCHMARK_TEMPLATE(activation, Gelu);
BENCHMARK_TEMPLATE(activation, GeluTanh);
BENCHMARK_TEMPLATE(activation, Relu);

}  // namespace

BENCHMARK_MAIN();
