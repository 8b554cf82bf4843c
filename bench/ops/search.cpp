// Exact search of a million vectors of MiniLM's width, beside what the machine allows: the bytes of the index over the rate at which so
// many bytes are read and summed, and the multiplications over the peak of the instructions that do them (float: fused multiply-add; bf16
// and int8: tiles where there are, else float's). Both are measured in the same run, and like the search the best of several goes.
// With one thread it is processor time. `of_floor_%` is the larger of the two over the time it took.
// TOWPATH_SEARCH_VECTORS: another number of vectors.
#include <towpath/ir/flat_index.hpp>

#include "../compare/peaks.cpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>

using namespace towpath;
using Env = Cpu<float>;

namespace {

constexpr Index width = 384;
Index vectors() {
  const char* n = std::getenv("TOWPATH_SEARCH_VECTORS");
  return n ? std::atoll(n) : 1000000;
}

Tensor<Env> unit_vectors(Index n, std::uint64_t seed) {
  Tensor<Env> t(n, width);
  std::uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (Index i = 0; i < n; ++i) {
    float* row = t.data() + i * width;
    float squares = 0;
    for (Index c = 0; c < width; ++c) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      row[c] = static_cast<float>(static_cast<std::int32_t>(state >> 32));
      squares += row[c] * row[c];
    }
    const float scale = 1 / std::sqrt(squares);
    for (Index c = 0; c < width; ++c) row[c] *= scale;
  }
  return t;
}

// Kept between cases with the same threads.
template <class Storage>
const FlatIndex<Env, Storage>& index(Index threads) {
  static std::unique_ptr<FlatIndex<Env, Storage>> kept;
  static Index made_for = 0;
  if (made_for != threads) {
    made_for = threads;
    kept.reset();
    kept = std::make_unique<FlatIndex<Env, Storage>>(width, Settings{.threads = threads});
    for (Index done = 0; done < vectors(); done += 8192)
      kept->add(unit_vectors(std::min<Index>(8192, vectors() - done), static_cast<std::uint64_t>(done)));
  }
  return *kept;
}

// With one thread its processor time, so that who else is there does not count; with more, time.
double clock_of(Index threads) {
#if defined(__unix__)
  if (threads == 1) {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }
#endif
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
double seconds(Index threads, const std::function<void()>& f) {
  const double start = clock_of(threads);
  f();
  return clock_of(threads) - start;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) float sum512(const float* p, Index n) {
  __m512 s[8];
  for (auto& x : s) x = _mm512_setzero_ps();
  for (Index i = 0; i + 128 <= n; i += 128)
    for (int j = 0; j < 8; ++j) s[j] = _mm512_add_ps(s[j], _mm512_loadu_ps(p + i + 16 * j));
  float part[16], all = 0;
  for (int j = 1; j < 8; ++j) s[0] = _mm512_add_ps(s[0], s[j]);
  _mm512_storeu_ps(part, s[0]);
  for (float x : part) all += x;
  return all;
}
__attribute__((target("amx-tile,amx-int8"))) double tiles_of_bytes(std::int64_t rounds) {
  const cpu::tiles::Ready ready;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (std::int64_t i = 0; i < rounds; ++i) {
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 7);
    _tile_dpbsud(2, 5, 6);
    _tile_dpbsud(3, 5, 7);
  }
  return 4.0 * 16 * 16 * 64 * 2 * static_cast<double>(rounds);
}
#endif
float sum_plain(const float* p, Index n) {
  float s[16] = {};
  for (Index i = 0; i + 16 <= n; i += 16)
    for (int j = 0; j < 16; ++j) s[j] += p[i + j];
  float all = 0;
  for (float x : s) all += x;
  return all;
}
float sum(const float* p, Index n) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return sum512(p, n);
#endif
  return sum_plain(p, n);
}

// Seconds to read that many bytes: memory laid out as an index has it, pieces of the size of its blocks.
double reading(Index bytes, Index threads) {
  static std::unique_ptr<float, void (*)(float*)> memory(nullptr, [](float*) {});
  static Index have = 0;
  if (have < bytes) {
    memory = {static_cast<float*>(::operator new (static_cast<std::size_t>(bytes), std::align_val_t{1 << 21})),
              [](float* p) { ::operator delete (p, std::align_val_t{1 << 21}); }};
    Host::large_pages(memory.get(), static_cast<std::size_t>(bytes));
    Host::clear(memory.get(), static_cast<std::size_t>(bytes));
    have = bytes;
  }
  Threads pool(threads);
  double best = 1e9;
  for (int go = 0; go < 4; ++go)
    best = std::min(best, seconds(threads, [&] {
                      pool.rows(bytes / 4, 1 << 20,
                                [&](Index a, Index b) { benchmark::DoNotOptimize(sum(memory.get() + a, b - a)); });
                    }));
  return best;
}
// Multiplications and additions per second
double peak(Index threads, double (*f)(std::int64_t)) {
  if (threads > 1) return compare::measure(static_cast<int>(threads), f);
  double best = 0;
  for (int go = 0; go < 9; ++go) {
    double flops = 0;
    const double t = seconds(1, [&] { flops = f(1 << 20); });
    best = std::max(best, flops / t);
  }
  return best;
}
template <class Storage>
double multiplying(Index threads) {
#if defined(__x86_64__)
  const auto machine = kernels::Machine::find();
  if (!std::is_same_v<Storage, float> && machine.amx) return peak(threads, std::is_same_v<Storage, bf16> ? compare::amx : tiles_of_bytes);
  return peak(threads, machine.avx512 ? compare::fma512 : compare::fma256);
#else
  static_cast<void>(threads);
  return 1e18;  // no peak was written for this machine: memory is the floor
#endif
}

// queries, threads
template <class Storage>
void search(benchmark::State& state) {
  const Index m = state.range(0), threads = state.range(1);
  const auto& all = index<Storage>(threads);
  const Tensor<Env> queries = unit_vectors(m, 99);
  const double bytes = reading(all.bytes(), threads), rate = multiplying<Storage>(threads);
  const double products = 2.0 * static_cast<double>(m * vectors() * width) / rate;
  double best = 1e9;
  for (auto _ : state)
    best = std::min(best, seconds(threads, [&] { benchmark::DoNotOptimize(all.search_all(queries, 100).data()); }));
  const double again =
      std::min(bytes, reading(all.bytes(), threads));  // before and after: others may have been in the way
  state.counters["best_ms"] = 1e3 * best;
  state.counters["read_ms"] = 1e3 * again;
  state.counters["read_GB/s"] = 1e-9 * static_cast<double>(all.bytes()) / again;
  state.counters["multiply_ms"] = 1e3 * products;
  state.counters["peak_GFLOP/s"] = 1e-9 * rate;
  state.counters["of_floor_%"] = 100 * std::max(again, products) / best;
}
void cases(benchmark::internal::Benchmark* b) {
  b->ArgNames({"queries", "threads"})->Unit(benchmark::kMillisecond)->UseRealTime()->MinTime(4);
  for (Index threads : {1, 2})
    for (Index queries : {1, 256}) b->Args({queries, threads});
}
BENCHMARK_TEMPLATE(search, float)->Apply(cases);
BENCHMARK_TEMPLATE(search, bf16)->Apply(cases);
BENCHMARK_TEMPLATE(search, std::int8_t)->Apply(cases);

}  // namespace
