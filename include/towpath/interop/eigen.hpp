// Eigen beside towpath: a tensor's numbers as an Eigen matrix and an Eigen expression as a tensor, so that a module of one's own for the CPU
// may be plain Eigen code. Nothing else in towpath includes Eigen, and towpath.hpp does not include this.
#pragma once

#include "towpath/tensor/tensor.hpp"
#include "towpath/tensor/view.hpp"

#include <Eigen/Core>

namespace towpath {

template <class T>
using EigenRows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// The same memory as an Eigen matrix [rows, columns]; nothing is copied. Rows may lie apart.
template <class T>
Eigen::Map<const EigenRows<T>, Eigen::Unaligned, Eigen::OuterStride<>> eigen(BasicView<const T> v) {
  return {v.data, v.rows, v.columns, Eigen::OuterStride<>(v.stride)};
}
template <class T>
  requires(!std::is_const_v<T>)
Eigen::Map<EigenRows<T>, Eigen::Unaligned, Eigen::OuterStride<>> eigen(BasicView<T> v) {
  return {v.data, v.rows, v.columns, Eigen::OuterStride<>(v.stride)};
}
template <class Env>
auto eigen(const Tensor<Env>& t) {
  return eigen(t.view());
}
template <class Env>
auto eigen(Tensor<Env>& t) {
  return eigen(t.writable());
}
template <class Env>
auto eigen(const SharedTensor<Env>& t) {
  return eigen(t.view());
}

// The value of an expression, in memory of the environment's pool: what a module's forward and backward return.
//   return evaluated(env, eigen(x) * eigen(weight).transpose());
template <class Env, class Expression>
Tensor<Env> evaluated(Env& env, const Eigen::MatrixBase<Expression>& expression) {
  Tensor<Env> t = env.template take<Env>(expression.rows(), expression.cols());
  eigen(t).noalias() = expression;
  return t;
}

}  // namespace towpath
