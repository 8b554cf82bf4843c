// towpath: small trainable modules beside and inside a frozen transformer. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

// The version lives here only; CMake reads these three lines.
#define TOWPATH_VERSION_MAJOR 0
#define TOWPATH_VERSION_MINOR 1
#define TOWPATH_VERSION_PATCH 0

// Attention masks with infinities and the loss tests for them, so a compiler that may assume there are none would be wrong.
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "[towpath] -ffast-math (or -Ofast, -ffinite-math-only) breaks masked softmax: compile without it, or add -fno-finite-math-only"
#endif

// CPU kernels live in an inline namespace named after the instruction set they were compiled for, so that two translation
// units built with different -m flags never merge each other's functions at link time.
#if defined(TOWPATH_KERNELS)
#define TOWPATH_ISA linked
#elif defined(__AMX_BF16__) && defined(__AVX512BF16__)
#define TOWPATH_ISA isa_amx
#elif defined(__AVX512BF16__)
#define TOWPATH_ISA isa_avx512_bf16
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__)
#define TOWPATH_ISA isa_avx512
#elif defined(__AVX512F__)
#define TOWPATH_ISA isa_avx512f
#elif defined(__AVX2__) && defined(__FMA__)
#define TOWPATH_ISA isa_avx2
#elif defined(__AVX__)
#define TOWPATH_ISA isa_avx
#elif defined(__ARM_NEON)
#define TOWPATH_ISA isa_neon
#else
#define TOWPATH_ISA isa_baseline
#endif

// Long functions that are not templates stand between #ifndef TOWPATH_ELSEWHERE and #endif, and begin with TOWPATH_ONCE: they are inline where
// only headers are used. towpath::kernels holds them too (its file once.cpp), and a program that links it does not compile them again, unless
// it has a way to fail of its own.
#if defined(TOWPATH_HOLDS_ONCE)
#define TOWPATH_ONCE
#else
#define TOWPATH_ONCE inline
#if defined(TOWPATH_KERNELS) && defined(__cpp_exceptions) && !defined(TOWPATH_FAIL_HANDLER)
#define TOWPATH_ELSEWHERE
#endif
#endif

// It holds templates for the usual environments, too (usual.hpp). They may have been compiled without the checks of debug builds, so a
// program that has these compiles its own.
#if defined(TOWPATH_ELSEWHERE) && defined(NDEBUG) && !defined(TOWPATH_CHECKED)
#define TOWPATH_USUAL_ELSEWHERE
#endif

// What a kernel on a GPU calls, too.
#if defined(__CUDACC__)
#define TOWPATH_BOTH __host__ __device__
#else
#define TOWPATH_BOTH
#endif

namespace towpath {

using Index = std::ptrdiff_t;

}  // namespace towpath
