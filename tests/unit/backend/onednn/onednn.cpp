#include "towpath/backend/onednn/onednn.hpp"

#include "../compare.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <type_traits>
#include <vector>

using namespace towpath;
using namespace towpath::compare;

namespace {

// The environment on kernels under which oneDNN is asked, if the machine has them.
template <class Env>
std::optional<Settings> asked(Index threads) {
  const char* isa = Env::Ops::may_round ? "amx" : "avx512";
  if (kernels::Machine::find().runs(isa)) return Settings{.threads = threads, .isa = isa};
  MESSAGE("skipped: not on this machine: ", std::string(isa));
  return {};
}

struct Case {
  Index rows, k, n;
  enum Kind { plain, everything, plus_in_place, gate_in_place } kind;
};

// w [n, k] and u [n, k]: a wᵀ, b w, f(a wᵀ) u, f(b u) wᵀ. Only the first and the last of n > k are wide.
template <class Env>
std::vector<float> products(Env& env, const Case& c) {
  Draw draw(static_cast<std::uint64_t>(c.rows * 1000003 + c.k * 1009 + c.n));
  const auto frozen = [&](Index rows, Index columns) {
    const Grid<float> w = draw.matrix<float>(rows, columns);
    Tensor<Env> values(rows, columns);
    std::copy_n(w.memory.data(), values.size(), values.data());
    SharedTensor<Env> s(rows, columns);
    s.refer(std::move(values));
    return s;
  };
  const auto w = frozen(c.n, c.k), u = frozen(c.k, c.n);
  const Grid<float> a = draw.matrix<float>(c.rows, c.k, 3), b = draw.matrix<float>(c.rows, c.n, 1);
  std::vector<float> all;
  const auto run = [&](Index columns, const auto& multiply) {
    const Grid<float> bias = draw.matrix<float>(1, columns), plus = draw.matrix<float>(c.rows, columns, 2),
                      gate = draw.matrix<float>(c.rows, columns);
    Grid<float> y = draw.matrix<float>(c.rows, columns, 5), slope(c.rows, columns, 1);
    Finish<float> f;
    if (c.kind != Case::plain) {
      f.bias = bias;
      f.function = Function::gelu;
      f.slope = slope;
      if (c.kind == Case::plus_in_place) f.plus = y;
      else f.plus = plus;
      if (c.kind == Case::gate_in_place) f.gate = y;
      else f.gate = gate;
    }
    multiply(y, f);
    bool marks = y.memory.back() == Grid<float>::mark;
    for (Index i = 0; i < c.rows; ++i) {
      for (Index j = 0; j < columns; ++j) all.push_back(y.at(i, j));
      for (Index j = columns; j < y.stride; ++j) marks = marks && y.at(i, j) == Grid<float>::mark;
      if (c.kind != Case::plain)
        for (Index j = 0; j < columns; ++j) all.push_back(slope.at(i, j));
    }
    CHECK(marks);
  };
  using Ops = typename Env::Ops;
  Finish<float> inner;
  inner.function = Function::relu;
  run(c.n, [&](BasicView<float> y, const Finish<float>& f) { Ops::nt(env, a, w, y, f); });
  run(c.k, [&](BasicView<float> y, const Finish<float>& f) { Ops::nn(env, b, w, y, f); });
  run(c.k, [&](BasicView<float> y, const Finish<float>& f) { Ops::nt_nt(env, a, w, inner, u, y, f); });
  run(c.n, [&](BasicView<float> y, const Finish<float>& f) { Ops::nn_nn(env, b, w, inner, u, y, f); });
  return all;
}

}  // namespace

TEST_CASE_TEMPLATE(
    "products by oneDNN are those of the CPU, at edge shapes, with every finish, on any number of threads", Frozen,
    float, bf16) {
  using Env = OneDnn<Frozen>;
  const auto settings = asked<Env>(1);
  if (!settings) return;
  Env one(*settings), two(*asked<Env>(2)), five(*asked<Env>(5));
  Cpu<float, Frozen> ours(*settings);
  for (const auto& [k, n] : {std::pair<Index, Index>{64, 64}, {64, 200}, {100, 384}, {70, 33}, {384, 1536}})
    for (const Index rows : {0, 1, 33, 129, 256, 300})
      for (const auto kind : {Case::plain, Case::everything, Case::plus_in_place, Case::gate_in_place}) {
        if (k == 384 && (rows != 300 || kind != Case::everything)) continue;
        CAPTURE(k);
        CAPTURE(n);
        CAPTURE(rows);
        CAPTURE(static_cast<int>(kind));
        const Case c{rows, k, n, kind};
        const auto y = products(one, c), expected = products(ours, c);
        REQUIRE(y.size() == expected.size());
        float largest = 1, worst = 0;
        for (std::size_t i = 0; i < y.size(); ++i) {
          largest = std::max(largest, std::fabs(expected[i]));
          worst = std::max(worst, std::fabs(y[i] - expected[i]));
        }
        if (std::is_same_v<Frozen, bf16>)
          CHECK(worst == 0);  // products with few rows are the CPU's, and may not differ
        CHECK(worst <= static_cast<float>(tolerance::same_in_float) * largest);
        CHECK(products(two, c) == y);
        CHECK(products(five, c) == y);
      }
}

TEST_CASE_TEMPLATE(
    "oneDNN is asked for frozen weights with as many outputs as inputs or more, and keeps their order beside them",
    Frozen, float, bf16) {
  using Env = OneDnn<Frozen>;
  const auto settings = asked<Env>(1);
  if (!settings) return;
  Env env(*settings);
  CHECK(Env::Ops::theirs(env, 384, 384));
  CHECK(Env::Ops::theirs(env, 1536, 384));
  CHECK(!Env::Ops::theirs(env, 384, 1536));
  CHECK(!Env::Ops::theirs(env, 384, 32));
  const Env plain({.threads = 1, .isa = "baseline"});
  CHECK(!Env::Ops::theirs(plain, 1536, 384));

  Tensor<Env> values(128, 64);
  std::fill_n(values.data(), values.size(), 1.0f);
  SharedTensor<Env> w(128, 64);
  w.refer(std::move(values));
  const Grid<float> x = Draw(1).matrix<float>(256, 64);
  CHECK(w.forms()->bytes() == 0);
  const auto y = op::nt<Env>(env, BasicView<const float>(x), w);
  const std::size_t kept = w.forms()->bytes();
  CHECK(kept == 128 * 64 * (std::is_same_v<Frozen, bf16> ? 2 : 4));
  // a second environment finds it there
  Env other(*settings);
  const auto z = op::nt<Env>(other, BasicView<const float>(x), w);
  CHECK(std::equal(y.data(), y.data() + y.size(), z.data()));
  CHECK(w.forms()->bytes() == kept);
  // one that trains is multiplied as on the CPU
  Cpu<float, Frozen> ours(*settings);
  const Grid<float> trains = Draw(2).matrix<float>(128, 64);
  const auto a = op::nt<Env>(env, BasicView<const float>(x), BasicView<const float>(trains));
  const auto b = op::nt<Cpu<float, Frozen>>(ours, BasicView<const float>(x), BasicView<const float>(trains));
  CHECK(std::equal(a.data(), a.data() + a.size(), b.data()));
}
