#include "towpath/backend/cpu/cpu.hpp"

#include "../compare.hpp"

#include <doctest/doctest.h>
#include <span>
#include <string>
#include <utility>
#include <vector>

// Products and attention have files of their own beside this one.
using namespace towpath;
using namespace towpath::compare;

static_assert(std::is_same_v<Cpu<float>::Scalar, float> && std::is_same_v<Cpu<double>::Space, Host>);

namespace {
// f(rows, columns, padding, seed) over the edge shapes.
template <class F>
void shapes(const F& f) {
  std::uint64_t seed = 0;
  for (Index rows : row_counts)
    for (Index columns : column_counts) {
      CAPTURE(rows);
      CAPTURE(columns);
      ++seed;
      f(rows, columns, Index{seed % 2 ? 0 : 3}, seed);
    }
}
}  // namespace

TEST_CASE("rows and columns: add_row, column_sums_add, scale_columns, column_dots_add") {
  shapes([](Index n, Index w, Index padding, std::uint64_t seed) {
    same([=](auto& env) {
      using T = ScalarOf<decltype(env)>;
      using Ops = OpsOf<decltype(env)>;
      Draw draw(seed);
      const Grid<T> x = draw.matrix<T>(n, w, padding), z = draw.matrix<T>(n, w, padding + 1), b = draw.matrix<T>(1, w);
      Grid<T> y = draw.matrix<T>(n, w, padding), scaled(n, w, padding), sums = draw.matrix<T>(1, w), dots = draw.matrix<T>(1, w);
      Ops::add_row(env, b, y);
      Ops::scale_columns(env, x, b, scaled);
      Ops::column_sums_add(env, x, sums);
      Ops::column_dots_add(env, x, z, dots);
      Outcome out;
      return out << y << scaled << sums << dots;
    });
  });
}

TEST_CASE("element by element: add_scaled, scale, copy, dropout, square_norm") {
  shapes([](Index n, Index w, Index padding, std::uint64_t seed) {
    same([=](auto& env) {
      using T = ScalarOf<decltype(env)>;
      using Ops = OpsOf<decltype(env)>;
      Draw draw(seed);
      const Grid<T> x = draw.matrix<T>(n, w, padding);
      Grid<T> y = draw.matrix<T>(n, w, padding), scaled = draw.matrix<T>(n, w, padding), copied(n, w, padding);
      Grid<T> dropped = draw.matrix<T>(n, w, padding);
      Ops::add_scaled(env, T(-0.75), x, y);
      Ops::scale(env, T(1.5), scaled);
      Ops::copy(env, x, copied);
      Ops::dropout(env, Mask{0.25f, seed, 3}, dropped);
      Outcome out;
      return out << y << scaled << copied << dropped << Ops::square_norm(env, x) / static_cast<double>(n * w + 1);
    });
  });
}

TEST_CASE_TEMPLATE("unary functions and their slopes", F, Gelu, GeluTanh, Relu, Tanh, Silu) {
  shapes([](Index n, Index w, Index padding, std::uint64_t seed) {
    same([=](auto& env) {
      using T = ScalarOf<decltype(env)>;
      using Ops = OpsOf<decltype(env)>;
      Draw draw(seed);
      const Grid<T> x = draw.matrix<T>(n, w, padding, 3), dy = draw.matrix<T>(n, w, padding + 2);
      Grid<T> y(n, w, padding), dx(n, w, padding);
      Ops::template unary<F>(env, x, y);
      Ops::template unary_backward<F>(env, dy, x, dx);
      Outcome out;
      return out << y << dx;
    });
  });
}

TEST_CASE("layer norm, forward and backward, also where the mean is large beside the spread") {
  for (const double shift : {0.0, 20.0})
    shapes([shift](Index n, Index w, Index padding, std::uint64_t seed) {
      if (w == 1) return;  // a row of one number is constant: below
      same([=](auto& env) {
        using T = ScalarOf<decltype(env)>;
        using Ops = OpsOf<decltype(env)>;
        Draw draw(seed);
        // quarters: their sums and means of few are exact in float, so that only the operation itself can err
        Grid<T> x = draw.matrix<T>(n, w, padding, 2, shift);
        for (Index r = 0; r < n; ++r)
          for (Index c = 0; c < w; ++c) x.at(r, c) = std::round(x.at(r, c) * 4 + T(c == 0 ? 9 : 0)) / 4;
        const Grid<T> dy = draw.matrix<T>(n, w, padding), gain = draw.matrix<T>(1, w, 0, 0.3, 1), bias = draw.matrix<T>(1, w);
        Grid<T> y(n, w, padding), stats(n, 2, padding), dx(n, w, padding), dgain = draw.matrix<T>(1, w);
        Ops::layer_norm(env, x, gain, bias, 1e-12, y, stats);
        Ops::layer_norm_backward(env, dy, x, stats, gain, dx);
        Ops::layer_norm_gain_add(env, dy, x, stats, dgain);
        Outcome out;
        return out << y << stats << dx << dgain;
      });
    });
}

TEST_CASE_TEMPLATE("layer norm of constant rows is its bias, and everything stays finite", T, float, double) {
  for (Index w : {1, 3, 16, 37, 384}) {
    auto& env = on_cpu<T>(1);
    Draw draw(4);
    Grid<T> x(2, w), y(2, w), stats(2, 2), dx(2, w);
    const Grid<T> gain = draw.matrix<T>(1, w), bias = draw.matrix<T>(1, w), dy = draw.matrix<T>(2, w);
    for (Index c = 0; c < w; ++c) x.at(0, c) = T(0.5), x.at(1, c) = 0;
    cpu::Ops<T>::layer_norm(env, x, gain, bias, 1e-12, y, stats);
    cpu::Ops<T>::layer_norm_backward(env, dy, x, stats, gain, dx);
    const BasicView<const T> b = bias;
    for (Index r = 0; r < 2; ++r)
      for (Index c = 0; c < w; ++c) {
        CHECK(y.at(r, c) == b.data[c]);
        CHECK(std::isfinite(dx.at(r, c)));
      }
    CHECK(std::isfinite(stats.at(1, 1)));
  }
}

TEST_CASE("tables: gather_rows_add and scatter_rows_add, with ids that come back") {
  shapes([](Index n, Index w, Index padding, std::uint64_t seed) {
    same([=](auto& env) {
      using T = ScalarOf<decltype(env)>;
      using Ops = OpsOf<decltype(env)>;
      Draw draw(seed);
      const auto ids = draw.ids(n, 11);
      const Grid<T> table = draw.matrix<T>(11, w, padding), dy = draw.matrix<T>(n, w, padding);
      Grid<T> y = draw.matrix<T>(n, w, padding), dtable = draw.matrix<T>(11, w, padding);
      Ops::gather_rows_add(env, table, ids, y);
      Ops::scatter_rows_add(env, dy, ids, dtable);
      Outcome out;
      return out << y << dtable;
    });
  });
}

TEST_CASE("pooling by mean, first and maximum, an empty sequence among them") {
  for (const Sequences& s : {Sequences{{0}}, Sequences{{0, 1}}, Sequences{{0, 2, 2, 3}}, Sequences{{0, 33, 40, 47, 300}}})
    for (Index w : column_counts)
      same([&](auto& env) {
        using T = ScalarOf<decltype(env)>;
        using Ops = OpsOf<decltype(env)>;
        Draw draw(static_cast<std::uint64_t>(w));
        const Grid<T> x = draw.matrix<T>(s.tokens(), w, 2), dy = draw.matrix<T>(s.count(), w, 1);
        Grid<T> mean(s.count(), w, 1), first = mean, top = mean, dmean(s.tokens(), w, 1), dfirst = dmean, dtop = dmean;
        Ops::pool_mean(env, x, s, mean);
        Ops::pool_first(env, x, s, first);
        Ops::pool_max(env, x, s, top);
        Ops::pool_mean_backward(env, dy, s, dmean);
        Ops::pool_first_backward(env, dy, s, dfirst);
        Ops::pool_max_backward(env, dy, x, s, dtop);
        Outcome out;
        return out << mean << first << top << dmean << dfirst << dtop;
      });
}

TEST_CASE("normalise_rows and its backward; a row of zeros stays zeros") {
  shapes([](Index n, Index w, Index padding, std::uint64_t seed) {
    same([=](auto& env) {
      using T = ScalarOf<decltype(env)>;
      using Ops = OpsOf<decltype(env)>;
      Draw draw(seed);
      const Grid<T> x = draw.matrix<T>(n, w, padding, 1, w == 1 ? 4 : 0), dy = draw.matrix<T>(n, w, padding);
      Grid<T> y(n, w, padding), norms(n, 1, padding), dx(n, w, padding);
      Ops::normalise_rows(env, x, y, norms);
      Ops::normalise_rows_backward(env, dy, y, norms, dx);
      Outcome out;
      return out << y << norms << dx;
    });
  });
  same([](auto& env) {
    using T = ScalarOf<decltype(env)>;
    Grid<T> x(2, 5), y(2, 5), norms(2, 1);
    for (Index c = 0; c < 5; ++c) x.at(0, c) = x.at(1, c) = 0;
    OpsOf<decltype(env)>::normalise_rows(env, x, y, norms);
    Outcome out;
    return out << y;
  });
}

TEST_CASE("cross_entropy and adam_step") {
  for (Index n : {0, 1, 2, 63})
    for (Index w : column_counts)
      same([=](auto& env) {
        using T = ScalarOf<decltype(env)>;
        using Ops = OpsOf<decltype(env)>;
        Draw draw(static_cast<std::uint64_t>(n * 1000 + w));
        const Grid<T> s = draw.matrix<T>(n, w, 3), g = draw.matrix<T>(n, w);
        Grid<T> ds(n, w, 1), m = draw.matrix<T>(n, w), v = draw.matrix<T>(n, w), weight = draw.matrix<T>(n, w);
        std::vector<Index> right;
        std::vector<std::pair<Index, Index>> without;
        for (Index i = 0; i < n; ++i) {
          right.push_back(i == 1 ? -1 : i % w);
          if (w > 1) without.emplace_back(i, (i + 1) % w);
        }
        for (T& x : v.memory) x = std::fabs(x);
        v.memory.back() = Grid<T>::mark;
        const double value = Ops::cross_entropy(env, s, right, without, 5.0, ds);
        Ops::adam_step(env, Adam{.rate = 1e-2, .decay = 0.1}, 7, 0.5, g, m, v, weight);
        Outcome out;
        return out << value << ds << m << v << weight;
      });
}
