#include "towpath/tensor/dtype.hpp"

#include <cmath>
#include <cstring>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

using namespace towpath;

static_assert(sizeof(bf16) == 2 && sizeof(half) == 2);
static_assert(dtype_of<float> == Dtype::f32 && dtype_of<double> == Dtype::f64 && dtype_of<bf16> == Dtype::bf16 &&
              dtype_of<half> == Dtype::f16);
static_assert(dtype_of<Index> == Dtype::i64 && dtype_of<std::uint8_t> == Dtype::u8 &&
              dtype_of<std::int16_t> == Dtype::i16 && dtype_of<bool> == Dtype::boolean &&
              dtype_of<std::uint32_t> == Dtype::u32);
static_assert(float(bf16(1.0f)) == 1.0f && float(half(-0.5f)) == -0.5f);

TEST_CASE("every dtype has a name of its own that leads back, and the size of its type") {
  for (Dtype d : every_dtype) {
    CHECK(dtype_named(name(d)) == d);
    with_type(d, [&]<class T>(T) {
      CHECK(sizeof(T) == size_of(d));
      CHECK(dtype_of<T> == d);
    });
  }
  CHECK(name(Dtype::bf16) == "BF16");
  CHECK(name(Dtype::boolean) == "BOOL");
  CHECK_FALSE(dtype_named("F8_E4M3"));
  CHECK_FALSE(dtype_named("f32"));
}

// Every one of the 65536 values goes to float and back unchanged (a quiet NaN too).
template <class Short>
void round_trip() {
  int wrong = 0;
  for (unsigned b = 0; b < 65536; ++b) {
    Short s;
    s.bits = static_cast<std::uint16_t>(b);
    const float x = s;
    const Short back(x);
    if (std::isnan(x)) wrong += !std::isnan(float(back));
    else wrong += back.bits != s.bits;
  }
  CHECK(wrong == 0);
}
TEST_CASE("bf16 and half survive the way to float and back") {
  round_trip<bf16>();
  round_trip<half>();
}

// Between two neighbours a < b: the middle goes to the even one, a hair beside it to the nearer one.
template <class Short>
void nearest_even(unsigned infinity) {
  int wrong = 0;
  for (unsigned b = 0; b + 1 < infinity; ++b) {
    Short lo, hi;
    lo.bits = static_cast<std::uint16_t>(b);
    hi.bits = static_cast<std::uint16_t>(b + 1);
    const float middle =
        static_cast<float>((double(float(lo)) + double(float(hi))) / 2);  // exact in float, or bf16's least subnormals
    if ((double(float(lo)) + double(float(hi))) / 2 != double(middle)) continue;
    const auto even = static_cast<std::uint16_t>(b % 2 ? b + 1 : b);
    wrong += Short(middle).bits != even;
    wrong += Short(std::nextafter(middle, 0.0f)).bits != lo.bits;
    wrong += Short(std::nextafter(middle, std::numeric_limits<float>::infinity())).bits != hi.bits;
    wrong += Short(-middle).bits != (even | 0x8000u);
  }
  CHECK(wrong == 0);
}
TEST_CASE("bf16 and half round to the nearest, to even on a tie") {
  nearest_even<bf16>(0x7f80);
  nearest_even<half>(0x7c00);
}

TEST_CASE("what is too large becomes infinite, what is too small zero, NaN stays") {
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(half(65504.0f).bits == 0x7bff);
  CHECK(half(65519.99f).bits == 0x7bff);
  CHECK(half(65520.0f).bits == 0x7c00);
  CHECK(half(1e30f).bits == 0x7c00);
  CHECK(half(-inf).bits == 0xfc00);
  CHECK(half(0x1p-25f).bits == 0);
  CHECK(half(std::nextafter(0x1p-25f, 1.0f)).bits == 1);
  CHECK(half(-1e-30f).bits == 0x8000);
  CHECK(bf16(std::numeric_limits<float>::max()).bits == 0x7f80);
  CHECK(bf16(-inf).bits == 0xff80);
  for (std::uint32_t bits : {0x7f800001u, 0x7fc00000u, 0xff800001u, 0x7fffffffu}) {
    CHECK(std::isnan(float(bf16(std::bit_cast<float>(bits)))));
    CHECK(std::isnan(float(half(std::bit_cast<float>(bits)))));
  }
}

TEST_CASE("convert reads every type, aligned or not") {
  for (Dtype d : every_dtype) {
    CAPTURE(name(d));
    std::vector<unsigned char> bytes(1 + 3 * size_of(d));
    with_type(d, [&]<class T>(T) {
      const T v[3] = {T(0.0f), T(1.0f), T(5.0f)};
      std::memcpy(bytes.data() + 1, v, sizeof v);
    });
    float f[3];
    double g[3];
    convert(d, bytes.data() + 1, 3, f);
    convert(d, bytes.data() + 1, 3, g);
    const double last = d == Dtype::boolean ? 1 : 5;
    CHECK((f[0] == 0 && f[1] == 1 && double(f[2]) == last));
    CHECK((g[0] == 0 && g[1] == 1 && g[2] == last));
  }
  const unsigned char odd[2] = {7, 0};
  float f[2];
  convert(Dtype::boolean, odd, 2, f);
  CHECK((f[0] == 1 && f[1] == 0));
  convert(Dtype::f32, nullptr, 0, f);
  const double third = 1.0 / 3;
  convert(Dtype::f64, &third, 1, f);
  CHECK(f[0] == 1.0f / 3);
}
