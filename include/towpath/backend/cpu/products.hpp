// The three products on Eigen; with attention.hpp the only place that includes it. Always Map<…, OuterStride<>>, so contiguous and
// strided matrices are one instantiation. Rows of the result are cut into pieces of a fixed size, so the number of threads changes
// who computes a piece but never how.
#pragma once

#include "towpath/backend/cpu/simd.hpp"
#include "towpath/tensor/view.hpp"

#include <Eigen/Core>

namespace towpath {
inline namespace TOWPATH_ISA {
namespace cpu {

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using ConstMap = Eigen::Map<const Matrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;
template <class T>
using Map = Eigen::Map<Matrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;

template <class T>
ConstMap<T> matrix(BasicView<const T> v) {
  return {v.data, v.rows, v.columns, Eigen::OuterStride<>(v.stride)};
}
template <class T>
Map<T> matrix(BasicView<T> v) {
  return {v.data, v.rows, v.columns, Eigen::OuterStride<>(v.stride)};
}

// Rows of a result that one piece of work computes: each piece packs the right-hand side anew, so pieces are large, but there are at
// least two as soon as there is work for two.
inline Index piece(Index rows) {
  const Index half = (rows + 1) / 2;
  return half < 64 ? 64 : half > 1024 ? 1024 : half;
}

}  // namespace cpu
}  // namespace TOWPATH_ISA
}  // namespace towpath
