#include "towpath/backend/onednn/onednn.hpp"

#include "../compare.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace towpath;
using namespace towpath::compare;

namespace {

using Ours = Cpu<float, bf16>;

// Where oneDNN is asked.
bool amx() {
  if (kernels::Machine::find().amx) return true;
  MESSAGE("skipped: this machine has no AMX");
  return false;
}
Settings settings(Index threads) { return {.threads = threads, .isa = "amx"}; }

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

TEST_CASE(
    "products by oneDNN are those of the CPU to the last bit, at edge shapes, with every finish, on any number of "
    "threads") {
  if (!amx()) return;
  OneDnn one(settings(1)), two(settings(2)), five(settings(5));
  Ours ours(settings(1));
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
        CHECK(y == expected);
        CHECK(products(two, c) == y);
        CHECK(products(five, c) == y);
      }
}

TEST_CASE(
    "oneDNN is asked for frozen weights with as many outputs as inputs or more, and keeps their order beside them") {
  if (!amx()) return;
  using Env = OneDnn;
  Env env(settings(1));
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
  CHECK(kept == 128 * 64 * 2);
  // a second environment finds it there
  Env other(settings(1));
  const auto z = op::nt<Env>(other, BasicView<const float>(x), w);
  CHECK(std::equal(y.data(), y.data() + y.size(), z.data()));
  CHECK(w.forms()->bytes() == kept);
  // one that trains is multiplied as on the CPU
  Ours ours(settings(1));
  const Grid<float> trains = Draw(2).matrix<float>(128, 64);
  const auto a = op::nt<Env>(env, BasicView<const float>(x), BasicView<const float>(trains));
  const auto b = op::nt<Ours>(ours, BasicView<const float>(x), BasicView<const float>(trains));
  CHECK(std::equal(a.data(), a.data() + a.size(), b.data()));
}
