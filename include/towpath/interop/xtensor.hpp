// xtensor beside towpath: a tensor's numbers as an xtensor array and an array of two dimensions as a view, nothing copied either way; arrays
// of any number of dimensions to and from .npy files. towpath.hpp does not include this.
#pragma once

#include "towpath/base/check.hpp"
#include "towpath/io/npy.hpp"
#include "towpath/tensor/tensor.hpp"
#include "towpath/tensor/view.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xtensor.hpp>

namespace towpath {

// The same memory as an array [rows, columns]. Rows may lie apart. It lives as long as the view's owner does.
template <class T>
auto xtensor(BasicView<T> v) {
  const std::array<std::size_t, 2> shape{static_cast<std::size_t>(v.rows), static_cast<std::size_t>(v.columns)};
  const std::array<std::ptrdiff_t, 2> strides{v.rows > 1 ? v.stride : 0, v.columns > 1 ? 1 : 0};  // 0 is xtensor's way to say: one only
  return xt::adapt(v.data, static_cast<std::size_t>(v.size()), xt::no_ownership(), shape, strides);
}
template <class Env>
auto xtensor(const Tensor<Env>& t) {
  return xtensor(t.view());
}
template <class Env>
auto xtensor(Tensor<Env>& t) {
  return xtensor(t.writable());
}
template <class Env>
auto xtensor(const SharedTensor<Env>& t) {
  return xtensor(t.view());
}

// The same memory as a view: of an array [rows, columns], or of one dimension as a single row. Whatever has data(), shape() and strides() will
// do (xarray, xtensor, a view of one). Errors: another number of dimensions; columns that lie apart.
template <class Array>
  requires requires(Array& a) { a.data(), a.strides(), a.data_offset(); }
auto view(Array& a) {
  using T = std::remove_reference_t<decltype(*a.data())>;
  const std::size_t n = a.dimension();
  if (n != 1 && n != 2) fail("this array has no rows and columns", "it has " + std::to_string(n) + " dimensions", "Take a slice of it");
  const auto columns = static_cast<Index>(a.shape()[n - 1]), rows = n == 2 ? static_cast<Index>(a.shape()[0]) : Index{1};
  if (columns > 1 && a.strides()[n - 1] != 1)
    fail("this array cannot be seen as rows", "the numbers of a row lie apart", "Copy it into a row-major array");
  return BasicView<T>(a.data() + a.data_offset(), rows, columns, rows > 1 ? static_cast<Index>(a.strides()[0]) : columns);
}
template <class Array>
void view(const Array&&) = delete;  // it would look at memory that is gone

// Any array or expression as a .npy file of its element type.
template <class E>
void write_npy(const std::string& path, const xt::xexpression<E>& expression) {
  using T = std::remove_cv_t<typename E::value_type>;
  const xt::xarray<T, xt::layout_type::row_major> a = expression.derived_cast();
  write_npy(path, a.data(), std::vector<Index>(a.shape().begin(), a.shape().end()));
}

// The array that a .npy file holds: xtensor<double, 2>(Npy("surface.npy")). Errors: it holds another type or another number of dimensions.
template <class T, std::size_t N>
xt::xtensor<T, N> xtensor(const Npy& file) {
  if (file.shape().size() != N)
    fail("cannot read " + file.owner()->path(),
         "it has " + std::to_string(file.shape().size()) + " dimensions, not " + std::to_string(N), "Ask for as many as it has");
  typename xt::xtensor<T, N>::shape_type shape{};
  std::copy(file.shape().begin(), file.shape().end(), shape.begin());
  xt::xtensor<T, N> a(shape);
  const auto values = file.values<T>();
  std::copy(values.begin(), values.end(), a.data());
  return a;
}

}  // namespace towpath
