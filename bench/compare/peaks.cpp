#include "peaks.hpp"

#include <towpath/backend/cpu/amx.hpp>
#include <towpath/backend/cpu/machine.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace compare {

namespace {

#if defined(__x86_64__)

// Each does `rounds` times a block of independent multiply-adds, enough of them to hide the latency, and says how many FLOP that was.
// The empty asm keeps the compiler from seeing that the numbers do not matter.
#define ACCUMULATORS(type, zero)                                                                                     \
  type c0 = zero, c1 = zero, c2 = zero, c3 = zero, c4 = zero, c5 = zero, c6 = zero, c7 = zero, c8 = zero, c9 = zero, \
       ca = zero, cb = zero
#define EACH(f) f(c0) f(c1) f(c2) f(c3) f(c4) f(c5) f(c6) f(c7) f(c8) f(c9) f(ca) f(cb)
#define KEEP(c) asm volatile("" : "+v"(c));

__attribute__((target("avx512f"))) double fma512(std::int64_t rounds) {
  __m512 a = _mm512_set1_ps(1e-3f), b = _mm512_set1_ps(0.5f);
  ACCUMULATORS(__m512, _mm512_setzero_ps());
  for (std::int64_t i = 0; i < rounds; ++i) {
#define OP(c) c = _mm512_fmadd_ps(a, b, c);
    EACH(OP)
#undef OP
    EACH(KEEP)
  }
  return 12.0 * 16 * 2 * static_cast<double>(rounds);
}
__attribute__((target("avx2,fma"))) double fma256(std::int64_t rounds) {
  __m256 a = _mm256_set1_ps(1e-3f), b = _mm256_set1_ps(0.5f);
  ACCUMULATORS(__m256, _mm256_setzero_ps());
  for (std::int64_t i = 0; i < rounds; ++i) {
#define OP(c) c = _mm256_fmadd_ps(a, b, c);
    EACH(OP)
#undef OP
#define KEEP_X(c) asm volatile("" : "+x"(c));
    EACH(KEEP_X)
  }
  return 12.0 * 8 * 2 * static_cast<double>(rounds);
}
__attribute__((target("avx512f,avx512bf16"))) double dot512(std::int64_t rounds) {
  const __m512bh a = (__m512bh)_mm512_set1_epi16(0x3a80), b = (__m512bh)_mm512_set1_epi16(0x3f00);
  ACCUMULATORS(__m512, _mm512_setzero_ps());
  for (std::int64_t i = 0; i < rounds; ++i) {
#define OP(c) c = _mm512_dpbf16_ps(c, a, b);
    EACH(OP)
#undef OP
    EACH(KEEP)
  }
  return 12.0 * 32 * 2 * static_cast<double>(rounds);
}

// A product of two tiles is 16 x 16 x 32 multiply-adds.
__attribute__((target("amx-tile,amx-bf16"))) double amx(std::int64_t rounds) {
  const towpath::cpu::tiles::Ready ready;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (std::int64_t i = 0; i < rounds; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  return 4.0 * 16 * 16 * 32 * 2 * static_cast<double>(rounds);
}

#endif

// FLOP/s of f on several threads that begin together: the best of five goes of about 50 ms.
double measure(int threads, double (*f)(std::int64_t)) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::time_point from) {
    return std::chrono::duration<double>(Clock::now() - from).count();
  };
  std::int64_t rounds = 1 << 12;
  for (;; rounds *= 2) {
    const auto start = Clock::now();
    f(rounds);
    if (seconds(start) > 0.05) break;
  }
  double best = 0;
  for (int go = 0; go < 5; ++go) {
    std::atomic<int> ready{0};
    std::vector<double> flops(static_cast<std::size_t>(threads));
    std::vector<std::thread> others;
    const auto one = [&](std::size_t i) {
      ++ready;
      while (ready < threads) std::this_thread::yield();
      flops[i] = f(rounds);
    };
    const auto start = Clock::now();
    for (std::size_t i = 1; i < flops.size(); ++i) others.emplace_back(one, i);
    one(0);
    for (auto& t : others) t.join();
    const double t = seconds(start);
    double all = 0;
    for (double n : flops) all += n;
    best = all / t > best ? all / t : best;
  }
  return best;
}

}  // namespace

Peaks peaks(int threads) {
#if defined(__x86_64__)
  const auto machine = towpath::kernels::Machine::find();
  const auto with = [&](bool there, double (*f)(std::int64_t)) { return there ? measure(threads, f) : 0.0; };
  return {with(machine.avx512, fma512), with(machine.avx2, fma256), with(machine.avx512_bf16, dot512), with(machine.amx, amx)};
#else
  static_cast<void>(measure);
  static_cast<void>(threads);
  return {};
#endif
}

}  // namespace compare
