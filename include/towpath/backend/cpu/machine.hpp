#pragma once

#include <string_view>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

namespace towpath::kernels {

// What the machine at hand can execute, and whether the system lets us.
struct Machine {
  bool avx2 = false, avx512 = false, avx512_bf16 = false, amx = false, intel = false;

  static Machine find() {
    Machine m;
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    m.intel = __builtin_cpu_is("intel");
    m.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    m.avx512 = m.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
    unsigned a = 0, b = 0, c = 0, d = 0;
    // both are taken to bring the instructions for bytes too, which every machine so far does
    if (m.avx512 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) m.avx512_bf16 = (a >> 5 & 1u) && __builtin_cpu_supports("avx512vnni");
    if (m.avx512_bf16 && __get_cpuid_count(7, 0, &a, &b, &c, &d)) m.amx = (d >> 22 & 1u) && (d >> 24 & 1u) && (d >> 25 & 1u) && tiles_permitted();
#endif
    return m;
  }
  // Can it run the kernels of this name, and if several: which is the best for weights in bf16?
  bool runs(std::string_view name) const {
    if (name == "amx") return amx;
    if (name == "avx512_bf16") return avx512_bf16;
    if (name == "avx512") return avx512;
    if (name == "avx2") return avx2;
    return true;
  }
  // On Intel's cores with AMX a bf16 dot takes twice as long as two float multiplications, so where tiles are not to be had widening is faster.
  bool prefers(std::string_view name) const { return runs(name) && !(name == "avx512_bf16" && intel); }

private:
  // Linux gives a process the large tile registers only if it asks.
  static bool tiles_permitted() {
#if defined(__linux__) && defined(SYS_arch_prctl)
    constexpr long request = 0x1023, tile_data = 18;
    return ::syscall(SYS_arch_prctl, request, tile_data) == 0;
#else
    return false;
#endif
  }
};

}  // namespace towpath::kernels
