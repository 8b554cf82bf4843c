// What 07_pretrain was asked to do, and what came of it.
#pragma once

#include "../methods.hpp"
#include "../program.hpp"

#include <string>
#include <vector>

namespace pretraining {

using towpath::Index;

struct Task {
  std::string model, out, device = "cpu";
  std::vector<std::string> collections;
  Index steps = 1000, batch = 32, length = 128, threads = 0, stop_after = 0;
  double rate = 1e-4, warmup = 0.05, decay = 0.01, clip = 1, masked = 0.15;
  std::uint64_t seed = 7;
  bool scratch = false, resume = false, quiet = false;
};
struct Report {
  Index texts = 0, tokens = 0;
  double seconds = 0, loss_before = 0, loss_after = 0;
  std::vector<double> losses;
};

// Compiled for each shape in a file of its own.
namespace on_cpu {
template <class Shape>
Report pretrain(const Task&);
}  // namespace on_cpu
namespace on_gpu {
template <class Shape>
Report pretrain(const Task&);
}  // namespace on_gpu

}  // namespace pretraining
