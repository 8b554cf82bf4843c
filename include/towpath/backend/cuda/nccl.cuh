// Several GPUs that train one model, a process for each: gradients are added up by NCCL, on the stream that computed them.
//   Mpi started(argc, argv);                                  // mpirun -np 4 ./program
//   cudaSetDevice(static_cast<int>(started.local_rank()));    // before the environment
//   Cuda<bf16> gpu;
//   Nccl team(gpu.queue(), started);
//   train(model, gpu, adam, sampler, loss, {.team = &team}, evaluate);
// Without MPI, whoever starts the processes tells each its rank, and they meet at a file that all can see:
//   Nccl team(gpu.queue(), {.file = "/shared/run7.nccl", .rank = rank, .count = 4});
// Link NCCL (towpath_cuda.cuh does not include this).
#pragma once

#include "towpath/backend/cuda/device.cuh"

#include "towpath/base/check.hpp"
#include "towpath/base/file.hpp"
#include "towpath/base/team.hpp"

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nccl.h>
#include <span>
#include <string>
#include <thread>

namespace towpath {

// A place where processes that know their number find each other: member 0 writes the file, which must not be there, and removes it once all have come.
struct Meeting {
  std::string file;
  Index rank = 0, count = 1;
  double seconds = 300;  // to wait for the others
};

class Nccl : public Team {
public:
  // The others are found by a team that has started.
  Nccl(cuda::Stream& stream, Team& started) : Nccl(stream, started.rank(), started.count()) {
    ncclUniqueId id = made();
    started.share(&id, sizeof id);
    join(id);
  }
  Nccl(cuda::Stream& stream, const Meeting& at) : Nccl(stream, at.rank, at.count) {
    if (rank_ == 0) {
      if (std::ifstream(at.file)) fail("the members of a team cannot meet at " + at.file, "it is there already, from another run or one that failed", "Remove it, or name another file");
      const ncclUniqueId id = made();
      NewFile file(at.file);
      file.write({reinterpret_cast<const char*>(&id), sizeof id});
      file.commit();
      join(id);  // when all others have
      std::remove(at.file.c_str());
      return;
    }
    const auto begun = std::chrono::steady_clock::now();
    ncclUniqueId id;
    for (std::ifstream file; file.open(at.file, std::ios::binary), !file.read(reinterpret_cast<char*>(&id), sizeof id); file.close(), file.clear()) {
      if (std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count() > at.seconds)
        fail("member 0 of the team did not come to " + at.file, "member " + std::to_string(rank_) + " waited for " + std::to_string(static_cast<Index>(at.seconds)) + " seconds",
             "See whether it runs, and whether both see that folder");
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    join(id);
  }
  ~Nccl() override {
    if (comm_) ncclCommDestroy(comm_);
  }
  Nccl(const Nccl&) = delete;
  Nccl& operator=(const Nccl&) = delete;

  Index rank() const override { return rank_; }
  Index count() const override { return count_; }
  bool reaches_devices() const override { return true; }

  void sum(std::span<double> numbers) override {
    by_way_of_the_device(numbers.data(), numbers.size_bytes(), [&](void* there) {
      require(ncclAllReduce(there, there, numbers.size(), ncclDouble, ncclSum, comm_, stream_.get()), "to add up");
    });
  }
  void sum(std::span<const Numbers> all) override {
    together([&] {
      for (const Numbers& n : all)
        if (n.count) require(ncclAllReduce(n.data, n.data, static_cast<std::size_t>(n.count), n.bytes == 4 ? ncclFloat : ncclDouble, ncclSum, comm_, stream_.get()), "to add up");
    });
  }
  void share(void* host, std::size_t bytes) override {
    by_way_of_the_device(host, bytes, [&](void* there) { require(ncclBroadcast(there, there, bytes, ncclChar, 0, comm_, stream_.get()), "to share what the first process has"); });
  }
  void share(std::span<const Numbers> all) override {
    together([&] {
      for (const Numbers& n : all)
        if (n.count) require(ncclBroadcast(n.data, n.data, n.size(), ncclChar, 0, comm_, stream_.get()), "to share what the first process has");
    });
  }

private:
  Nccl(cuda::Stream& stream, Index rank, Index count) : stream_(stream), rank_(rank), count_(count) {}

  static void require(ncclResult_t r, const char* what) {
    if (r != ncclSuccess) fail(std::string("NCCL refused: ") + what, ncclGetErrorString(r), "NCCL_DEBUG=INFO says more");
  }
  ncclUniqueId made() const {
    ncclUniqueId id{};
    if (rank_ == 0) require(ncclGetUniqueId(&id), "to begin");
    return id;
  }
  void join(const ncclUniqueId& id) { require(ncclCommInitRank(&comm_, static_cast<int>(count_), id, static_cast<int>(rank_)), "to bring the processes together"); }
  // All calls as one.
  template <class F>
  void together(const F& calls) {
    require(ncclGroupStart(), "to begin a group of calls");
    calls();
    require(ncclGroupEnd(), "a group of calls");
  }
  template <class F>
  void by_way_of_the_device(void* host, std::size_t bytes, const F& call) {
    if (room_.size() < bytes) room_ = Buffer<cuda::Device>(bytes);
    stream_.upload(room_.data(), host, bytes);
    call(room_.data());
    cuda::require(cudaMemcpyAsync(host, room_.data(), bytes, cudaMemcpyDeviceToHost, stream_.get()), "to copy to the host");
    stream_.wait();
  }

  cuda::Stream& stream_;
  Index rank_, count_;
  ncclComm_t comm_ = nullptr;
  Buffer<cuda::Device> room_;
};

}  // namespace towpath
