#pragma once

#include "towpath/base/config.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace towpath {

namespace detail {
__extension__ using Wide = unsigned __int128;
}

// Counter-based random numbers: number i of stream s under seed k is a pure function of (k, s, i). Whoever needs a mask again
// remembers a position, never the mask, and the order in which threads draw does not matter.
// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC'11), Philox4x32-10.
struct Philox {
  using Block = std::array<std::uint32_t, 4>;

  static constexpr Block block(std::uint64_t seed, std::uint64_t stream, std::uint64_t counter) {
    std::uint32_t c[4]{};
    fill(seed, stream, counter, c);
    return {c[0], c[1], c[2], c[3]};
  }
  // The same where there is no std::array.
  TOWPATH_BOTH static constexpr void fill(std::uint64_t seed, std::uint64_t stream, std::uint64_t counter, std::uint32_t (&c)[4]) {
    std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
    c[0] = static_cast<std::uint32_t>(counter), c[1] = static_cast<std::uint32_t>(counter >> 32);
    c[2] = static_cast<std::uint32_t>(stream), c[3] = static_cast<std::uint32_t>(stream >> 32);
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c[0], p1 = std::uint64_t{0xCD9E8D57u} * c[2];
      c[0] = static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k0;
      c[1] = static_cast<std::uint32_t>(p1);
      c[2] = static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k1;
      c[3] = static_cast<std::uint32_t>(p0);
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
  }
};

// A stream of numbers: (seed, stream) fixed, position counted.
class Random {
public:
  constexpr Random(std::uint64_t seed, std::uint64_t stream, std::uint64_t position = 0)
      : seed_(seed), stream_(stream), position_(position) {}

  constexpr std::uint32_t bits() {
    const std::uint64_t i = position_++;
    if (i / 4 != at_) block_ = Philox::block(seed_, stream_, at_ = i / 4);
    return block_[i % 4];
  }
  // [0, n)
  constexpr std::uint64_t below(std::uint64_t n) {
    const std::uint64_t wide = std::uint64_t{bits()} << 32 | bits();
    return static_cast<std::uint64_t>((static_cast<detail::Wide>(wide) * n) >> 64);
  }
  // [0, 1), 32 bits
  constexpr double uniform() { return bits() * 0x1p-32; }
  // N(0, 1), Box–Muller
  double normal() {
    const double u = (bits() + 1.0) * 0x1p-32, v = uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
  }
  template <class Range>
  constexpr void shuffle(Range& r) {
    for (std::uint64_t n = r.size(); n > 1; --n) {
      const auto j = below(n);
      auto kept = r[n - 1];
      r[n - 1] = r[j];
      r[j] = kept;
    }
  }
  constexpr std::uint64_t position() const { return position_; }

private:
  std::uint64_t seed_, stream_, position_, at_ = ~std::uint64_t{0};
  Philox::Block block_{};
};

// A stream number from a name (FNV-1a), so that what a parameter starts from depends on its name and the seed, nothing else.
constexpr std::uint64_t stream_of(std::string_view name) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}

}  // namespace towpath
