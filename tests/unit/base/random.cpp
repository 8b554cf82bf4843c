#include "towpath/base/random.hpp"

#include "../tolerances.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <doctest/doctest.h>
#include <map>
#include <numeric>
#include <vector>

using namespace towpath;

// Random123's known answers (kat_vectors, philox 4x32, 10 rounds). Counter words are (counter, stream), low word first.
static_assert(Philox::block(0, 0, 0) == Philox::Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(Philox::block(~0ull, ~0ull, ~0ull) == Philox::Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(Philox::block(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88) ==
              Philox::Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
// FNV-1a, 64 bits: its authors' test vectors.
static_assert(stream_of("") == 0xcbf29ce484222325 && stream_of("a") == 0xaf63dc4c8601ec8c &&
              stream_of("foobar") == 0x85944171f73967e8);

TEST_CASE("number i is a function of (seed, stream, i): a stream can be entered anywhere") {
  Random from_the_start(7, 9);
  for (std::uint64_t i = 0; i < 41; ++i) {
    CHECK(from_the_start.position() == i);
    Random from_here(7, 9, i);
    const std::uint32_t b = from_the_start.bits();
    CHECK(from_here.bits() == b);
    CHECK(b == Philox::block(7, 9, i / 4)[i % 4]);
  }
  CHECK(Random(7, 9).bits() != Random(8, 9).bits());
  CHECK(Random(7, 9).bits() != Random(7, 10).bits());
}

namespace {
struct Moments {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
};
Moments moments(const std::vector<double>& x) {
  Moments m;
  const double n = static_cast<double>(x.size());
  for (double v : x) m.mean += v / n;
  for (double v : x) {
    const double d = v - m.mean;
    m.variance += d * d / n;
    m.skew += d * d * d / n;
    m.kurtosis += d * d * d * d / n;
  }
  return m;
}
constexpr int samples = 200000;
const double error = tolerance::standard_errors / std::sqrt(static_cast<double>(samples));  // times a standard deviation
}  // namespace

TEST_CASE("uniform: inside [0, 1), with the moments of U(0, 1)") {
  Random r(1, 2);
  std::vector<double> x(samples);
  for (double& v : x) v = r.uniform();
  CHECK(*std::min_element(x.begin(), x.end()) >= 0);
  CHECK(*std::max_element(x.begin(), x.end()) < 1);
  const Moments m = moments(x);
  CHECK(std::fabs(m.mean - 0.5) < error * std::sqrt(1.0 / 12));
  CHECK(std::fabs(m.variance - 1.0 / 12) < error * std::sqrt(1.0 / 180));
  double neighbours = 0;
  for (std::size_t i = 1; i < x.size(); ++i) neighbours += (x[i] - 0.5) * (x[i - 1] - 0.5) * 12 / samples;
  CHECK(std::fabs(neighbours) < error);
}

TEST_CASE("normal: the moments of N(0, 1), and streams do not know each other") {
  Random r(3, stream_of("weight")), other(3, stream_of("bias"));
  std::vector<double> x(samples);
  double together = 0;
  for (double& v : x) {
    v = r.normal();
    together += v * other.normal() / samples;
  }
  const Moments m = moments(x);
  CHECK(std::fabs(m.mean) < error);
  CHECK(std::fabs(m.variance - 1) < error * std::sqrt(2.0));
  CHECK(std::fabs(m.skew) < error * std::sqrt(15.0));
  CHECK(std::fabs(m.kurtosis - 3) < error * std::sqrt(96.0));
  CHECK(std::fabs(together) < error);
  CHECK(std::all_of(x.begin(), x.end(), [](double v) { return std::isfinite(v); }));
}

TEST_CASE("below(n): every number of [0, n) equally often, also where n is no power of two") {
  Random r(5, 5);
  std::array<int, 7> seen{};
  for (int i = 0; i < 70000; ++i) {
    const auto k = r.below(7);
    REQUIRE(k < 7);
    ++seen[k];
  }
  for (int n : seen) CHECK(std::fabs(n - 10000) < tolerance::standard_errors * std::sqrt(10000 * 6.0 / 7));
  CHECK(r.below(1) == 0);
  std::uint64_t seen_bits = 0;
  for (int i = 0; i < 64; ++i) seen_bits |= r.below(std::uint64_t{1} << 63);
  CHECK(seen_bits == (std::uint64_t{1} << 63) - 1);  // all of them are drawn
}

TEST_CASE("shuffle: a permutation, the same for the same seed, another for another") {
  std::vector<int> sorted(1000);
  std::iota(sorted.begin(), sorted.end(), 0);
  std::vector<int> a = sorted, b = sorted, c = sorted;
  Random(1, 0).shuffle(a);
  Random(1, 0).shuffle(b);
  Random(2, 0).shuffle(c);
  CHECK(a == b);
  CHECK(a != c);
  CHECK(a != sorted);
  CHECK(std::is_permutation(a.begin(), a.end(), sorted.begin()));
  CHECK(std::is_permutation(c.begin(), c.end(), sorted.begin()));
  std::vector<int> none, one{4};
  Random r(1, 0);
  r.shuffle(none);
  r.shuffle(one);
  CHECK(none.empty());
  CHECK(one == std::vector<int>{4});
  CHECK(r.position() == 0);
}

TEST_CASE("shuffle: each of the 24 orders of four things comes up equally often") {
  Random r(11, 0);
  std::map<std::array<int, 4>, int> seen;
  for (int i = 0; i < 24000; ++i) {
    std::array<int, 4> x{0, 1, 2, 3};
    r.shuffle(x);
    ++seen[x];
  }
  CHECK(seen.size() == 24);
  for (const auto& [order, n] : seen) CHECK(std::fabs(n - 1000) < tolerance::standard_errors * std::sqrt(1000.0));
}
