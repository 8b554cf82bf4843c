// What 03_encode was asked to do.
#pragma once

#include "../methods.hpp"
#include "../program.hpp"

#include <string>

namespace encoding {

struct Task {
  std::string model, in, out, adapter, method = "none", budget = "none", pooling = "mean", format = "auto", weights = "f32", device = "cpu";
  towpath::Index max_length = 256, threads = 0, chunk = 4096, batch_tokens = 8192;
  bool dot = false, resume = false, quiet = false;
};

// Compiled for each shape in a file of its own.
namespace on_cpu {
template <class Shape>
towpath::Json encode_shape(const Task&);
}  // namespace on_cpu
namespace on_gpu {
template <class Shape>
towpath::Json encode_shape(const Task&);
}  // namespace on_gpu

}  // namespace encoding
