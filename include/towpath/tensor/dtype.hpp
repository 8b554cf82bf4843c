#pragma once

#include "towpath/base/config.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

namespace towpath {

static_assert(std::endian::native == std::endian::little,
              "[towpath] files hold little-endian numbers and are mapped as they are: this machine is big-endian");

// bf16: the upper half of a float (8 bits of exponent, 7 of fraction). For storage; arithmetic happens in float. From a float
// it rounds to the nearest, to even on a tie; what is too large becomes infinite, and a NaN stays one.
struct bf16 {
  std::uint16_t bits = 0;

  bf16() = default;
  // (the builtin, since a kernel on a GPU cannot call std::bit_cast)
  TOWPATH_BOTH constexpr explicit bf16(float x) {
    const auto u = __builtin_bit_cast(std::uint32_t, x);
    if ((u & 0x7fffffffu) > 0x7f800000u)
      bits = static_cast<std::uint16_t>(u >> 16 | 0x40u);  // dropped bits could leave infinity
    else bits = static_cast<std::uint16_t>((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
  }
  TOWPATH_BOTH constexpr operator float() const { return __builtin_bit_cast(float, std::uint32_t{bits} << 16); }
};

// IEEE half precision (5 bits of exponent, 10 of fraction, subnormals kept). The same rules as for bf16.
struct half {
  std::uint16_t bits = 0;

  half() = default;
  constexpr explicit half(float x) {
    const auto u = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t sign = u >> 16 & 0x8000u, size = u & 0x7fffffffu;
    std::uint32_t h = 0;
    if (size > 0x7f800000u) h = 0x7e00u | (size >> 13 & 0x3ffu);  // NaN, made quiet, payload kept
    else if (size >= 0x477ff000u) h = 0x7c00u;                    // 65520 and above round to infinity
    else if (size >= 0x38800000u) h = (size - 0x38000000u + 0xfffu + (size >> 13 & 1u)) >> 13;
    else if (size > 0x33000000u) {  // between 2^-25, which ties to zero, and the least normal 2^-14
      const std::uint32_t exponent = size >> 23, fraction = (size & 0x7fffffu) | 0x800000u;
      const std::uint32_t drop = 126 - exponent, kept = fraction >> drop, rest = fraction & ((1u << drop) - 1);
      const std::uint32_t middle = 1u << (drop - 1);
      h = kept + (rest > middle || (rest == middle && (kept & 1u)) ? 1u : 0u);
    }
    bits = static_cast<std::uint16_t>(sign | h);
  }
  constexpr operator float() const {
    const std::uint32_t sign = std::uint32_t{bits & 0x8000u} << 16, exponent = bits >> 10 & 31u,
                        fraction = bits & 0x3ffu;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
    if (exponent) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
    const float tiny = static_cast<float>(fraction) * 0x1p-24f;  // exact: ten bits times a power of two
    return sign ? -tiny : tiny;
  }
};

// What numbers a file holds. The list is closed; what is not on it is refused by name, never guessed.
enum class Dtype : std::uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

inline constexpr Dtype every_dtype[] = {Dtype::f64, Dtype::f32, Dtype::f16,    Dtype::bf16, Dtype::i64,
                                        Dtype::i32, Dtype::i16, Dtype::i8,     Dtype::u64,  Dtype::u32,
                                        Dtype::u16, Dtype::u8,  Dtype::boolean};

// The name that safetensors gives it.
constexpr std::string_view name(Dtype d) {
  constexpr std::string_view names[] = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16",
                                        "I8",  "U64", "U32", "U16",  "U8",  "BOOL"};
  return names[static_cast<std::size_t>(d)];
}
constexpr std::optional<Dtype> dtype_named(std::string_view s) {
  for (Dtype d : every_dtype)
    if (name(d) == s) return d;
  return {};
}

// Bytes per element.
constexpr std::size_t size_of(Dtype d) {
  constexpr std::size_t sizes[] = {8, 4, 2, 2, 8, 4, 2, 1, 8, 4, 2, 1, 1};
  return sizes[static_cast<std::size_t>(d)];
}

// Calls f with a value of the C++ type that stores d (bool's byte is a std::uint8_t to read, for it may hold anything).
template <class F>
constexpr decltype(auto) with_type(Dtype d, F&& f) {
  switch (d) {
    case Dtype::f64: return f(double{});
    case Dtype::f16: return f(half{});
    case Dtype::bf16: return f(bf16{});
    case Dtype::i64: return f(std::int64_t{});
    case Dtype::i32: return f(std::int32_t{});
    case Dtype::i16: return f(std::int16_t{});
    case Dtype::i8: return f(std::int8_t{});
    case Dtype::u64: return f(std::uint64_t{});
    case Dtype::u32: return f(std::uint32_t{});
    case Dtype::u16: return f(std::uint16_t{});
    case Dtype::u8: return f(std::uint8_t{});
    case Dtype::boolean: return f(bool{});
    case Dtype::f32: break;
  }
  return f(float{});
}

namespace detail {
template <class T>
constexpr Dtype dtype_of() {
  if constexpr (std::is_same_v<T, double>) return Dtype::f64;
  else if constexpr (std::is_same_v<T, float>) return Dtype::f32;
  else if constexpr (std::is_same_v<T, half>) return Dtype::f16;
  else if constexpr (std::is_same_v<T, bf16>) return Dtype::bf16;
  else if constexpr (std::is_same_v<T, bool>) return Dtype::boolean;
  else {
    static_assert(std::is_integral_v<T>,
                  "[towpath] files hold float, double, half, bf16, bool and integers: convert to one of them");
    constexpr Dtype of_size[2][4] = {{Dtype::u8, Dtype::u16, Dtype::u32, Dtype::u64},
                                     {Dtype::i8, Dtype::i16, Dtype::i32, Dtype::i64}};
    return of_size[std::is_signed_v<T>][std::bit_width(sizeof(T)) - 1];
  }
}
}  // namespace detail

template <class T>
inline constexpr Dtype dtype_of = detail::dtype_of<T>();

// n numbers of a file, which need not be aligned, as float or double. Exact wherever the target can hold the value, rounded
// to the nearest otherwise; a bool is 0 or 1, and any byte but 0 is true.
template <class To>
void convert(Dtype d, const void* from, Index n, To* to) {
  static_assert(std::is_floating_point_v<To>, "[towpath] convert reads into float or double");
  if (n <= 0) return;
  if (d == dtype_of<To>) {
    std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(To));
    return;
  }
  with_type(d, [&]<class T>(T) {
    using Stored = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
    const auto* bytes = static_cast<const unsigned char*>(from);
    for (Index i = 0; i < n; ++i) {
      Stored x;
      std::memcpy(&x, bytes + static_cast<std::size_t>(i) * sizeof x, sizeof x);
      if constexpr (std::is_same_v<T, bool>) to[i] = x ? To{1} : To{0};
      else if constexpr (std::is_class_v<T>) to[i] = static_cast<To>(static_cast<float>(x));
      else to[i] = static_cast<To>(x);
    }
  });
}

}  // namespace towpath
