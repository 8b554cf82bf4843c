// Training by several processes that MPI starts and connects, on one machine or many. towpath.hpp does not include this; link towpath::mpi.
//   towpath::Mpi team(argc, argv);
//   train(model, env, adam, sampler, loss, {.epochs = 3, .team = &team}, evaluate);
//   $ mpirun -np 2 ./program
#pragma once

#include "towpath/base/check.hpp"
#include "towpath/base/team.hpp"

#include <cstddef>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <vector>

// without the old C++ interface, which nobody asked for
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

namespace towpath {

// All processes of MPI_COMM_WORLD. It starts MPI if nobody has and then ends it, too; a process that leaves by an exception does not,
// so that mpirun ends the others, which would wait for it.
// Sums are MPI_Allreduce's, one for all tensors of a type. Errors: whatever MPI refuses.
class Mpi : public Team {
public:
  Mpi(int& argc, char**& argv) {
    int running = 0;
    MPI_Initialized(&running);
    if (!running) {
      int given = 0;
      require(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &given), "to start");
      started_ = true;
      if (given < MPI_THREAD_FUNNELED) fail("this MPI takes no program with threads", "it was built without them", "Install one that was: libopenmpi-dev, libmpich-dev");
    }
    require(MPI_Comm_dup(MPI_COMM_WORLD, &all_), "to make a communicator");
    MPI_Comm_set_errhandler(all_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(all_, &rank_);
    MPI_Comm_size(all_, &count_);
  }
  ~Mpi() override {
    if (std::uncaught_exceptions() > unwinding_) return;
    MPI_Comm_free(&all_);
    if (started_) MPI_Finalize();
  }
  Mpi(const Mpi&) = delete;
  Mpi& operator=(const Mpi&) = delete;

  Index rank() const override { return rank_; }
  Index count() const override { return count_; }
  Index local_rank() const override {
    MPI_Comm here = MPI_COMM_NULL;
    require(MPI_Comm_split_type(all_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &here), "to find the processes of this machine");
    int rank = 0;
    MPI_Comm_rank(here, &rank);
    MPI_Comm_free(&here);
    return rank;
  }

  using Team::share, Team::sum;
  void sum(std::span<const Numbers> all) override {
    for (const int bytes : {4, 8}) {
      room_.clear();
      for (const Numbers& n : all)
        if (n.bytes == bytes) {
          const auto* from = static_cast<const std::byte*>(n.data);
          room_.insert(room_.end(), from, from + n.size());
        }
      if (room_.empty()) continue;
      sum_up(room_.data(), room_.size() / static_cast<std::size_t>(bytes), bytes == 4 ? MPI_FLOAT : MPI_DOUBLE);
      const std::byte* from = room_.data();
      for (const Numbers& n : all)
        if (n.bytes == bytes) {
          std::memcpy(n.data, from, n.size());
          from += n.size();
        }
    }
  }
  void share(void* host, std::size_t bytes) override {
    pieces(bytes, [&](std::size_t at, int n) { require(MPI_Bcast(static_cast<std::byte*>(host) + at, n, MPI_BYTE, 0, all_), "to share what the first process has"); });
  }

private:
  static void require(int e, const char* what) {
    if (e == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(e, text, &length);
    fail(std::string("MPI refused: ") + what, std::string(text, static_cast<std::size_t>(length)), "See whether all processes are still there");
  }
  // f(first, count): MPI counts in int
  template <class F>
  static void pieces(std::size_t n, const F& f) {
    constexpr std::size_t most = std::size_t{1} << 28;
    for (std::size_t at = 0; at < n; at += most) f(at, static_cast<int>(n - at < most ? n - at : most));
  }
  void sum_up(void* numbers, std::size_t n, MPI_Datatype type) {
    int bytes = 0;
    MPI_Type_size(type, &bytes);
    pieces(n, [&](std::size_t at, int some) {
      require(MPI_Allreduce(MPI_IN_PLACE, static_cast<std::byte*>(numbers) + at * static_cast<std::size_t>(bytes), some, type, MPI_SUM, all_), "to add up");
    });
  }

  MPI_Comm all_ = MPI_COMM_NULL;
  int rank_ = 0, count_ = 1, unwinding_ = std::uncaught_exceptions();
  bool started_ = false;
  std::vector<std::byte> room_;
};

}  // namespace towpath
