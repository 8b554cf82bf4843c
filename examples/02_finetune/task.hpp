// What 02_finetune was asked to do, and what came of it; no templates here, so that the main program and the parts that are compiled per
// shape share only this.
#pragma once

#include "../methods.hpp"
#include "../program.hpp"
#include "../team.hpp"

#include <towpath/data/collection.hpp>
#include <towpath/io/config.hpp>

#include <string>
#include <vector>

namespace finetune {

using towpath::Index;

struct Task {
  std::string model, collection, split = "test", method = "iaa-l", budget = "0.5", save, resume, run, weights = "f32", cache = "off", team = "none", device = "cpu";
  Index epochs = 3, batch = 32, negatives = 1, accumulate = 1, threads = 0, query_length = 64, passage_length = 256, depth = 100, train_queries = 0,
        stop_after = 0, batch_tokens = 0;
  double rate = 0;          // 0: the method's own
  double temperature = 0.05, warmup = 0.1, clip = 1, decay = 0.01;
  float dropout = 0;
  std::uint64_t seed = 42;
  bool quiet = false, by_length = false;
  towpath::Team* members = nullptr;  // who train together

  bool first() const { return !members || members->rank() == 0; }
};

struct Report {
  std::vector<std::string> measures;
  std::vector<double> zero_shot, tuned;
  Index total = 0, trained = 0, steps = 0, train_tokens = 0, truncated = 0;
  double train_seconds = 0, encode_seconds = 0, rate = 0;
  Index encode_tokens = 0;
  std::vector<double> losses, dev;
  double dev_zero_shot = 0;
  Index best_epoch = -1;
};

// Compiled for each shape in a file of its own.
namespace on_cpu {
template <class Shape>
Report tune_shape(const Task&);
}  // namespace on_cpu
namespace on_gpu {
template <class Shape>
Report tune_shape(const Task&);
}  // namespace on_gpu

}  // namespace finetune
