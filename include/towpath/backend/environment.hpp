#pragma once

#include "towpath/backend/reference/ops.hpp"
#include "towpath/base/threads.hpp"
#include "towpath/tensor/tensor.hpp"

#include <cstdint>
#include <memory>

namespace towpath {

// What a run chooses, as opposed to what a type fixes.
struct Settings {
  Index threads = 0;       // 0: as many as the machine has; results do not depend on it
  std::uint64_t seed = 42;
  float dropout = 0;       // of hidden states and attention probabilities, wherever Learn and Rehearse draw it
  bool bf16 = false;       // under Cpu<float, FloatOrBf16> and Cuda<FloatOrBf16>: hold frozen weights in bf16
  // A product with so many rows puts its frozen weight in order anew, for two to five per cent of its time; with fewer the weight keeps the order, once
  // for each orientation asked for. 0: memory is scarce; a number that no batch reaches: time is.
  Index repack = 1024;
  const char* isa = nullptr;  // force the kernels of this name: baseline, avx2, avx512, avx512_bf16, amx; none: the best there are
};

// In place of a type: float or bf16, as Settings::bf16 says. For programs that take it from a command line and are compiled once.
struct FloatOrBf16 {};

// Which of its two kinds of text a model with two towers reads.
enum class Side { query, passage };

// The run-time context that every call takes first: memory, threads, the position in the random stream. Nothing of this is
// global, so two environments never meet. One environment serves one caller at a time.
template <class T, class Operations, class Memory = Host>
class Environment {
public:
  using Scalar = T;
  using Ops = Operations;
  using Space = Memory;

  explicit Environment(Settings settings = {})
      : settings_(settings), threads_(std::make_unique<Threads>(settings.threads)), pool_(std::make_shared<Pool<Space>>()) {}

  const Settings& settings() const { return settings_; }
  std::uint64_t seed() const { return settings_.seed; }
  Index threads() const { return threads_->count(); }
  const Pool<Space>& pool() const { return *pool_; }

  // Uninitialised memory; it comes back when the tensor goes.
  template <class Env>
  Tensor<Env> take(Index rows, Index columns) {
    return {pool_, rows, columns};
  }
  // Room for one piece of work, in bytes.
  Buffer<Space> room(std::size_t bytes) { return Buffer<Space>(bytes, pool_); }
  template <class F>
  void rows(Index n, Index grain, const F& f) {
    threads_->rows(n, grain, f);
  }

  // The next dropout mask. A step draws its masks in program order, so (seed, step, how many before) is the whole position.
  Mask mask() { return {settings_.dropout, settings_.seed, position_++}; }
  std::uint64_t position() const { return position_; }
  void position(std::uint64_t p) { position_ = p; }
  void dropout(float rate) { settings_.dropout = rate; }
  // What a TowerPair reads at the moment, for its modules that are two (ir/tower_pair.hpp); nobody else looks.
  Side side() const { return side_; }
  void side(Side s) { side_ = s; }

private:
  Settings settings_;
  std::unique_ptr<Threads> threads_;
  std::shared_ptr<Pool<Space>> pool_;
  std::uint64_t position_ = 0;
  Side side_ = Side::query;
};

// Plain loops, one environment for each scalar: the oracle.
template <class T>
class Reference : public Environment<T, reference::Ops<T>> {
  using Environment<T, reference::Ops<T>>::Environment;
};

}  // namespace towpath
