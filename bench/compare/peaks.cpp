#include "peaks.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
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

// Tiles of 16 rows of 64 bytes; a product of two is 16 x 16 x 32 multiply-adds. Linux gives the tile registers to who asks.
__attribute__((target("amx-tile,amx-bf16"))) double amx(std::int64_t rounds) {
  if (syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* XFEATURE_XTILEDATA */) != 0) return 0;
  struct alignas(64) {
    std::uint8_t palette = 1, start = 0, none[14] = {};
    std::uint16_t columns[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  asm volatile("" ::"r"(&config) : "memory");  // g++ 12 believes that the next line reads only its first eight bytes
  _tile_loadconfig(&config);
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
  _tile_release();
  return 4.0 * 16 * 16 * 32 * 2 * static_cast<double>(rounds);
}

struct Has {
  bool fma256, fma512, dot512, amx;
};
Has has() {
  unsigned a = 0, b = 0, c = 0, d = 0, a1 = 0, b1 = 0, c1 = 0, d1 = 0;
  __get_cpuid_count(7, 0, &a, &b, &c, &d);
  __get_cpuid_count(7, 1, &a1, &b1, &c1, &d1);
  const bool wide = __builtin_cpu_supports("avx512f");
  return {__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), wide, wide && (a1 >> 5 & 1),
          (d >> 22 & 1) && (d >> 24 & 1)};
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
    if (f(rounds) == 0) return 0;
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
  const Has cpu = has();
  const auto with = [&](bool there, double (*f)(std::int64_t)) { return there ? measure(threads, f) : 0.0; };
  return {with(cpu.fma512, fma512), with(cpu.fma256, fma256), with(cpu.dot512, dot512), with(cpu.amx, amx)};
#else
  static_cast<void>(measure);
  static_cast<void>(threads);
  return {};
#endif
}

}  // namespace compare
