#include "../compare.hpp"

#include <doctest/doctest.h>
#include <string>
#include <type_traits>
#include <vector>

using namespace towpath;
using namespace towpath::compare;

namespace {
using Env = Cpu<float, bf16>;
float rounded(float x) { return static_cast<float>(bf16(x)); }

// y = finish(a wᵀ) and x = finish(b w) with w frozen, on kernels of one name, against sums in double of what they multiply.
void products(const char* isa, bool rounds_left, Index m, Index k, Index n, bool finish) {
  CAPTURE(isa);
  CAPTURE(m);
  CAPTURE(k);
  CAPTURE(n);
  Env one({.threads = 1, .isa = isa}), three({.threads = 3, .isa = isa});
  Draw draw(static_cast<std::uint64_t>(m * 1000003 + k * 1009 + n));
  const Grid<float> a = draw.matrix<float>(m, k, 2), b = draw.matrix<float>(m, n, 1), w = draw.matrix<float>(n, k);
  const Grid<float> plus = draw.matrix<float>(m, n), bias = draw.matrix<float>(1, n);
  Tensor<Env> values(n, k);
  std::copy(w.memory.data(), w.memory.data() + n * k, values.data());
  SharedTensor<Env> frozen(n, k);
  frozen.refer(std::move(values));
  Finish<float> f;
  if (finish) {
    f.plus = plus;
    f.bias = bias;
    f.function = Function::relu;
  }
  const auto run = [&](Env& env, bool across) { return across ? op::nn<Env>(env, b, frozen) : op::nt<Env>(env, a, frozen, f); };
  for (const bool across : {false, true}) {
    const Tensor<Env> y = run(one, across), again = run(three, across);
    CHECK(std::equal(y.data(), y.data() + y.size(), again.data()));
    const Grid<float>& left = across ? b : a;
    const Index depth = across ? n : k;
    double worst = 0;
    for (Index i = 0; i < y.rows(); ++i)
      for (Index j = 0; j < y.columns(); ++j) {
        double s = 0;
        for (Index t = 0; t < depth; ++t) {
          const float x = left.memory[static_cast<std::size_t>(i * left.stride + t)];
          s += static_cast<double>(rounds_left ? rounded(x) : x) * static_cast<double>(rounded(across ? w.memory[static_cast<std::size_t>(t * k + j)] : w.memory[static_cast<std::size_t>(j * k + t)]));
        }
        if (!across && finish) s = std::max(0.0, s + static_cast<double>(bias.memory[static_cast<std::size_t>(j)]) + static_cast<double>(plus.memory[static_cast<std::size_t>(i * n + j)]));
        worst = std::max(worst, std::fabs(static_cast<double>(y.view().row(i)[j]) - s));
      }
    CHECK(worst < 2e-5 * std::sqrt(static_cast<double>(depth)));
  }
}
}  // namespace

TEST_CASE("weights in bf16: each way to multiply by them equals sums of the rounded numbers, at edge shapes, on any number of threads") {
  int ways = 0;
  for (const char* isa : {"baseline", "avx2", "avx512", "avx512_bf16", "amx"}) {
    try {
      Env probe({.threads = 1, .isa = isa});
    } catch (const Error&) {
      MESSAGE("skipped: not on this machine: ", std::string(isa));
      continue;
    }
    ++ways;
    const bool rounds = std::string(isa) == "amx" || std::string(isa) == "avx512_bf16";
    for (const Index m : {1, 7, 33, 200})
      for (const Index k : {1, 33, 64})
        for (const Index n : {1, 16, 37, 100}) products(isa, rounds, m, k, n, (m + n) % 2 == 0);
    products(isa, rounds, 70, 384, 1536, true);
  }
  CHECK(ways > 0);
}

TEST_CASE("only frozen weights are rounded: a weight that trains multiplies as it is") {
  Env env({.threads = 1});
  Cpu<float> plain({.threads = 1});
  Draw draw(4);
  const Grid<float> a = draw.matrix<float>(9, 20), w = draw.matrix<float>(13, 20);
  const auto y = op::nt<Env>(env, a, BasicView<const float>(w));
  const auto z = op::nt<Cpu<float>>(plain, a, BasicView<const float>(w));
  CHECK(std::equal(y.data(), y.data() + y.size(), z.data()));
}

TEST_CASE("weights in bf16: the packed transpose is the packed weight turned, to the last zero") {
  for (const char* isa : {"baseline", "avx2", "avx512", "avx512_bf16", "amx"}) {
    try {
      const Env env({.threads = 1, .isa = isa});
      const auto& t = env.kernels();
      CAPTURE(isa);
      for (const Index n : {1, 16, 37, 64, 100})
        for (const Index k : {1, 15, 32, 40, 96}) {
          CAPTURE(n);
          CAPTURE(k);
          Draw draw(static_cast<std::uint64_t>(n * 1000 + k));
          const Grid<float> w = draw.matrix<float>(n, k, 3);
          const auto bytes = [](Index size) { return std::vector<unsigned char>(static_cast<std::size_t>(size), 0xee); };
          auto packed = bytes(t.bf16_size(n, k)), expected = bytes(t.bf16_size(k, n)), turned = expected;
          const auto panels = [&](Index columns) { return (columns + t.bf16_panel - 1) / t.bf16_panel; };
          t.bf16_pack(w, false, 0, panels(n), packed.data());
          t.bf16_pack(w, true, 0, panels(k), expected.data());
          t.bf16_turn(packed.data(), n, k, 0, panels(k) / 2, turned.data());
          t.bf16_turn(packed.data(), n, k, panels(k) / 2, panels(k), turned.data());
          CHECK(turned == expected);
        }
    } catch (const Error&) {
      MESSAGE("skipped: not on this machine: ", isa);
    }
  }
}

namespace {
// The four products with frozen weights w [n, k] and u [o, n], or their transposes.
template <class E>
std::vector<Tensor<E>> all_products(E& env, const SharedTensor<E>& w, const SharedTensor<E>& u, Index m) {
  using T = typename E::Scalar;
  Draw draw(8);
  const Grid<T> x = draw.matrix<T>(m, w.columns()), dy = draw.matrix<T>(m, w.rows()), dz = draw.matrix<T>(m, u.rows());
  const op::FinishOf<E> none;
  std::vector<Tensor<E>> all;
  all.push_back(op::nt<E>(env, BasicView<const T>(x), w));
  all.push_back(op::nn<E>(env, BasicView<const T>(dy), w));
  all.push_back(op::nt_nt<E>(env, BasicView<const T>(x), w, none, u, none));
  all.push_back(op::nn_nn<E>(env, BasicView<const T>(dz), u, none, w, none));
  return all;
}
template <class E>
SharedTensor<E> frozen_matrix(Index n, Index k, std::uint64_t seed) {
  Draw draw(seed);
  const auto w = draw.matrix<typename E::Scalar>(n, k);
  Tensor<E> values(n, k);
  std::copy(w.memory.data(), w.memory.data() + n * k, values.data());
  SharedTensor<E> frozen(n, k);
  frozen.refer(std::move(values));
  return frozen;
}
}  // namespace

TEST_CASE_TEMPLATE("a frozen weight that is put in order for each product gives the bits of one that keeps its order, and keeps less", E, Cpu<double>, Cpu<float>, Env) {
  constexpr bool in_bf16 = std::is_same_v<E, Env>;
  for (const char* isa : {"baseline", "avx2", "avx512", "avx512_bf16", "amx"}) {
    try {
      E keeps({.threads = 1, .repack = 1000, .isa = isa}), repacks({.threads = 2, .repack = 90, .isa = isa});
      CAPTURE(isa);
      const auto kept = frozen_matrix<E>(100, 72, 1), kept_too = frozen_matrix<E>(70, 100, 2);
      const auto packed = frozen_matrix<E>(100, 72, 1), packed_too = frozen_matrix<E>(70, 100, 2);
      const auto a = all_products<E>(keeps, kept, kept_too, 90), b = all_products<E>(repacks, packed, packed_too, 90);
      for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::equal(a[i].data(), a[i].data() + a[i].size(), b[i].data()));
      const std::size_t both = kept.forms()->bytes(), one = packed.forms()->bytes();
      CHECK(both > 0);
      CHECK((in_bf16 ? one > 0 && one < both : one == 0));
      // few rows: now it is kept, in the orientation that was asked for, and many rows find it there
      static_cast<void>(op::nt<E>(repacks, BasicView<const typename E::Scalar>(Draw(3).matrix<typename E::Scalar>(5, 72)), packed));
      CHECK(packed.forms()->bytes() >= one);
      const auto c = all_products<E>(repacks, packed, packed_too, 90);
      for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::equal(a[i].data(), a[i].data() + a[i].size(), c[i].data()));
    } catch (const Error&) {
      MESSAGE("skipped: not on this machine: ", isa);
    }
  }
}
