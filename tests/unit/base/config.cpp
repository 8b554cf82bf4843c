#include "towpath/base/config.hpp"

#include <climits>
#include <cstddef>
#include <doctest/doctest.h>
#include <string_view>
#include <type_traits>

using namespace towpath;

static_assert(std::is_same_v<Index, std::ptrdiff_t> && std::is_signed_v<Index> && sizeof(Index) * CHAR_BIT >= 64);
static_assert(TOWPATH_VERSION_MAJOR >= 0 && TOWPATH_VERSION_MINOR >= 0 && TOWPATH_VERSION_PATCH >= 0);
#if defined(__FINITE_MATH_ONLY__)
static_assert(__FINITE_MATH_ONLY__ == 0, "the guard let -ffast-math through");
#endif

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

TEST_CASE("the namespace of the kernels is named after the instruction set of this very translation unit") {
  constexpr std::string_view isa = TEXT(TOWPATH_ISA);
#if defined(TOWPATH_KERNELS)
  CHECK(isa == "linked");  // it compiles none
#elif defined(__AMX_BF16__) && defined(__AVX512BF16__)
  CHECK(isa == "isa_amx");
#elif defined(__AVX512BF16__)
  CHECK(isa == "isa_avx512_bf16");
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__)
  CHECK(isa == "isa_avx512");
#elif defined(__AVX512F__)
  CHECK(isa == "isa_avx512f");
#elif defined(__AVX2__) && defined(__FMA__)
  CHECK(isa == "isa_avx2");
#elif defined(__AVX__)
  CHECK(isa == "isa_avx");
#elif defined(__ARM_NEON)
  CHECK(isa == "isa_neon");
#else
  CHECK(isa == "isa_baseline");
#endif
}
