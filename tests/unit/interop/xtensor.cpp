#include "towpath/interop/xtensor.hpp"

#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/backend/op.hpp"

#include <cstdio>
#include <doctest/doctest.h>
#include <string>
#include <xtensor/xmath.hpp>
#include <xtensor/xview.hpp>

using namespace towpath;

namespace {
template <class F>
std::string said(const F& f) {
  try {
    f();
  } catch (const Error& e) { return e.what(); }
  return "";
}
}  // namespace

TEST_CASE("a view, its stride included, is an array of the same memory") {
  double numbers[] = {1, 2, -1, 3, 4, -1, 5, 6, -1};
  auto a = xtensor(BasicView<double>(numbers, 3, 2, 3));
  CHECK(a.shape()[0] == 3);
  CHECK(a(2, 1) == 6);
  a(1, 0) = 7;
  CHECK(numbers[3] == 7);
  CHECK(xt::sum(xtensor(BasicView<const double>(numbers, 3, 2, 3)))() == 1 + 2 + 7 + 4 + 5 + 6);
  const auto columns = xt::eval(xt::sum(a, {0}));
  CHECK(columns(0) == 13);
  CHECK(columns(1) == 12);
  CHECK(xtensor(BasicView<double>(numbers, 1, 3)).size() == 3);
  CHECK(xtensor(BasicView<double>(numbers, 3, 1, 3))(2, 0) == 5);
  CHECK(xtensor(BasicView<double>(numbers, 0, 3)).size() == 0);
}

TEST_CASE("tensors, too; an expression is computed straight into one") {
  Tensor<Cpu<float>> t(2, 3);
  auto a = xtensor(t);
  const xt::xtensor<float, 2> b = {{1, 2, 3}, {4, 5, 6}};
  a = 2 * b + 1;
  CHECK(t.data()[0] == 3);
  CHECK(t.data()[5] == 13);
  const Tensor<Cpu<float>>& constant = t;
  CHECK(xtensor(constant)(1, 0) == 9);
  SharedTensor<Cpu<float>> shared(2, 3);
  shared.refer(t.copy());
  CHECK(xtensor(shared)(1, 2) == 13);
}

TEST_CASE("an array is a view of the same memory") {
  xt::xtensor<float, 2> a = {{1, 2, 3}, {4, 5, 6}};
  const auto v = view(a);
  CHECK(v.rows == 2);
  CHECK(v.columns == 3);
  CHECK(v.data == a.data());
  CHECK(v.row(1)[2] == 6);
  const xt::xarray<float> row = {1, 2, 3, 4};
  CHECK(view(row).rows == 1);
  CHECK(view(row).columns == 4);
  auto part = xt::view(a, xt::all(), xt::range(1, 3));
  CHECK(view(part).row(1)[0] == 5);
  CHECK(view(part).stride == 3);
  xt::xtensor<float, 2> single = {{7, 8}};
  CHECK(view(single).stride == 2);

  Cpu<float> env({.threads = 1});
  const auto product = op::nt<Cpu<float>>(env, view(a), BasicView<const float>(view(a)));  // straight into an operation
  CHECK(product.data()[1] == 32);

  xt::xtensor<float, 3> cube({2, 2, 2}, 0.0f);
  CHECK(said([&] { view(cube); }) == "this array has no rows and columns: it has 3 dimensions. Take a slice of it");
  auto apart = xt::view(a, xt::all(), xt::range(0, 3, 2));
  CHECK(said([&] { view(apart); }) == "this array cannot be seen as rows: the numbers of a row lie apart. Copy it into a row-major array");
}

TEST_CASE("arrays to .npy files and back") {
  auto a = xt::xtensor<double, 3>::from_shape({2, 3, 4});
  for (std::size_t i = 0; i < a.size(); ++i) a.data()[i] = 0.5 * static_cast<double>(i);
  write_npy("xtensor.npy", a);
  const auto b = xtensor<double, 3>(Npy("xtensor.npy"));
  CHECK(b == a);
  CHECK(said([] { xtensor<double, 2>(Npy("xtensor.npy")); }) ==
        "cannot read xtensor.npy: it has 3 dimensions, not 2. Ask for as many as it has");
  write_npy("xtensor.npy", xt::view(a, 1, xt::all(), 2) * 2);  // an expression, of one dimension
  const auto c = xtensor<double, 1>(Npy("xtensor.npy"));
  CHECK(c(0) == 14);
  CHECK(c(2) == 22);
  xt::xarray<float, xt::layout_type::column_major> columns = {{1, 2}, {3, 4}};
  write_npy("xtensor.npy", columns);
  CHECK(Npy("xtensor.npy").values<float>() == std::vector<float>{1, 2, 3, 4});
  std::remove("xtensor.npy");
}
