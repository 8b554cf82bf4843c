#include "towpath/nn/pooling.hpp"

#include "../tolerances.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace towpath;

namespace {
using Env = Reference<double>;
static_assert(ClsPooling::name == "cls" && MeanPooling::name == "mean" && MaxPooling::name == "max");
static_assert(!ClsPooling::uses_input && !MeanPooling::uses_input && MaxPooling::uses_input);

const Sequences sequences{{0, 3, 3, 4, 9}};  // the second is empty

Tensor<Env> drawn(Index rows, Index columns, std::uint64_t seed) {
  Tensor<Env> t(rows, columns);
  Random r(seed, 0);
  for (Index i = 0; i < t.size(); ++i) t.data()[i] = r.normal();
  return t;
}
}  // namespace

TEST_CASE_TEMPLATE("one row per sequence, zeros for an empty one; a single token is itself; the backward is the derivative", P, ClsPooling,
                   MeanPooling, MaxPooling) {
  Env env{{.threads = 2}};
  auto x = drawn(9, 4, 1);
  const auto y = P::template forward<Env>(env, x, sequences), dy = drawn(4, 4, 2);
  CHECK(y.rows() == 4);
  CHECK(y.columns() == 4);
  for (Index c = 0; c < 4; ++c) {
    CHECK(y.view().row(1)[c] == 0);
    CHECK(y.view().row(2)[c] == x.view().row(3)[c]);
  }
  const auto dx = P::template backward<Env>(env, dy, P::uses_input ? x.view() : View<Env>{}, sequences);
  CHECK(dx.rows() == 9);
  const auto value = [&] {
    const auto pooled = P::template forward<Env>(env, x, sequences);
    double sum = 0;
    for (Index i = 0; i < pooled.size(); ++i) sum += pooled.data()[i] * dy.data()[i];
    return sum;
  };
  const double h = 1e-5;
  for (Index i = 0; i < x.size(); ++i) {
    const double kept = x.data()[i];
    x.data()[i] = kept + h;
    const double above = value();
    x.data()[i] = kept - h;
    const double below = value();
    x.data()[i] = kept;
    CHECK(std::fabs((above - below) / (2 * h) - dx.data()[i]) < tolerance::difference);
  }
}

TEST_CASE("maximum: of equal values the first token gets the whole gradient") {
  Env env{{.threads = 1}};
  Tensor<Env> x(3, 2), dy(1, 2);
  const double values[] = {1, -5, 4, -5, 4, -7};
  for (Index i = 0; i < 6; ++i) x.data()[i] = values[i];
  dy.data()[0] = 10, dy.data()[1] = 20;
  const Sequences one{{0, 3}};
  const auto y = MaxPooling::forward<Env>(env, x, one);
  CHECK(y.data()[0] == 4);
  CHECK(y.data()[1] == -5);  // all negative: zero is not among them
  const auto dx = MaxPooling::backward<Env>(env, dy, x, one);
  const double expected[] = {0, 20, 10, 0, 0, 0};
  for (Index i = 0; i < 6; ++i) CHECK(dx.data()[i] == expected[i]);
}

TEST_CASE_TEMPLATE("no sequences, and only empty ones", P, ClsPooling, MeanPooling, MaxPooling) {
  Env env{{.threads = 1}};
  const Tensor<Env> nothing(0, 4);
  const Sequences none, empty{{0, 0, 0}};
  CHECK(P::template forward<Env>(env, nothing, none).rows() == 0);
  const auto y = P::template forward<Env>(env, nothing, empty);
  CHECK(y.rows() == 2);
  for (Index i = 0; i < 8; ++i) CHECK(y.data()[i] == 0);
  CHECK(P::template backward<Env>(env, y, nothing, empty).rows() == 0);
}
