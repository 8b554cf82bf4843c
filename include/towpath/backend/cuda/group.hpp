// What kernels are written in: a matrix, and the group that works on one item together. Nothing here needs a GPU or its compiler, so the
// arithmetic of every kernel (rows.hpp, attention.hpp) is compiled and tested wherever the rest of towpath is.
#pragma once

#include "towpath/base/config.hpp"
#include "towpath/tensor/view.hpp"

namespace towpath::cuda {

// A matrix on the device, as a kernel takes it: a view without the checks, which only a host can make.
template <class T>
struct Matrix {
  T* data = nullptr;
  Index rows = 0, columns = 0, stride = 0;

  Matrix() = default;
  template <class U, class Space>
  Matrix(const BasicView<U, Space>& v) : data(v.data), rows(v.rows), columns(v.columns), stride(v.stride) {}

  TOWPATH_BOTH T* row(Index r) const { return data + r * stride; }
  TOWPATH_BOTH T& operator()(Index r, Index c) const { return data[r * stride + c]; }
  TOWPATH_BOTH bool empty() const { return data == nullptr; }
};

// A kernel is a function object: f(t, j) for each element, or f(group, item[, shared]) for each item that a group works on together. A group has
//   lane(), count()   who I am, and how many we are: lane, lane + count, lane + 2 count, … are mine
//   sum(x), max(x)    over all of us, in an order that depends on count() alone; everybody gets the result
//   sync()            what the others wrote to shared memory before is there now
// On the device it is a warp or a block (cuda.cuh). This one is on the host, by itself.
struct Alone {
  TOWPATH_BOTH Index lane() const { return 0; }
  TOWPATH_BOTH Index count() const { return 1; }
  template <class T>
  TOWPATH_BOTH T sum(T x) const {
    return x;
  }
  template <class T>
  TOWPATH_BOTH T max(T x) const {
    return x;
  }
  TOWPATH_BOTH void sync() const {}
};

}  // namespace towpath::cuda
