#pragma once

#include "towpath/base/config.hpp"

#include <cstddef>
#include <span>

namespace towpath {

// Numbers of a tensor.
struct Numbers {
  void* data;
  Index count;
  int bytes;  // of each: 4 for float, 8 for double

  std::size_t size() const { return static_cast<std::size_t>(count) * static_cast<std::size_t>(bytes); }
};

// Processes that train one model together, each with a copy of it and its share of every step's batches: gradients of what trains are summed
// over them, and all take the same step (train/loop.hpp). Members call the same functions in the same order.
// interop/mpi.hpp has one of MPI's processes, backend/cuda/nccl.cuh one of GPUs. All members get the same bits.
class Team {
public:
  virtual ~Team() = default;
  virtual Index rank() const = 0;   // 0 … count - 1
  virtual Index count() const = 0;
  virtual Index local_rank() const { return rank(); }  // among the members on this machine

  // In place over all members; in the memory of a device if this team reaches it.
  virtual void sum(std::span<const Numbers> all) = 0;
  virtual bool reaches_devices() const { return false; }
  // On the host.
  virtual void sum(std::span<double> numbers) {
    const Numbers one{numbers.data(), static_cast<Index>(numbers.size()), 8};
    sum(std::span<const Numbers>(&one, 1));
  }
  // Everybody gets what member 0 has: on the host, and where sum() has it.
  virtual void share(void* host, std::size_t bytes) = 0;
  virtual void share(std::span<const Numbers> all) {
    for (const Numbers& n : all) share(n.data, n.size());
  }

  double shared(double x) {
    share(&x, sizeof x);
    return x;
  }
};

}  // namespace towpath
