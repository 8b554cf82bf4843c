#pragma once

#include "case.hpp"

#include <towpath_cuda.cuh>

namespace compare {

template <class Shape>
std::unique_ptr<Case> on_gpu(const std::string& type, const Order& o) {
  return type == "f32" ? make<Cuda<float>, Shape, true>(o) : make<Cuda<bf16>, Shape, true>(o);
}

}  // namespace compare
