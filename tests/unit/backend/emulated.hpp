// A CUDA environment without a GPU: kernels are called one item after the other, by a group of one or by a team of threads, and products are loops.
// What is tested so is the arithmetic of every kernel, how work is cut into items, all that surrounds them and, with a team, that whoever reads
// shared memory has waited for whoever wrote it.
#pragma once

#include "towpath/backend/cuda/environment.hpp"

#include <algorithm>
#include <barrier>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

namespace towpath::compare {

// A group of threads of the host.
class Team {
public:
  struct Room {
    explicit Room(Index n) : barrier(n), numbers(static_cast<std::size_t>(n)) {}
    std::barrier<> barrier;
    std::vector<double> numbers;
  };
  Team(Index lane, Room& room) : lane_(lane), room_(room) {}

  Index lane() const { return lane_; }
  Index count() const { return static_cast<Index>(room_.numbers.size()); }
  void sync() const { room_.barrier.arrive_and_wait(); }
  template <class T>
  T sum(T x) const {
    return together(x, [](double a, double b) { return a + b; });
  }
  template <class T>
  T max(T x) const {
    return together(x, [](double a, double b) { return a > b ? a : b; });
  }

private:
  template <class T, class Join>
  T together(T x, const Join& join) const {
    room_.numbers[static_cast<std::size_t>(lane_)] = static_cast<double>(x);
    sync();
    double all = room_.numbers[0];
    for (std::size_t i = 1; i < room_.numbers.size(); ++i) all = join(all, room_.numbers[i]);
    sync();
    return static_cast<T>(all);
  }
  Index lane_;
  Room& room_;
};

template <class T, Index threads = 1>
struct LoopQueue {
  using Space = Host;
  static constexpr bool rounds = false;
  Index uploads = 0;

  template <class F>
  void each(Index rows, Index columns, const F& f) {
    for (Index t = 0; t < rows; ++t)
      for (Index j = 0; j < columns; ++j) f(t, j);
  }
  // `one` calls a kernel for one item as one of a group.
  template <class One>
  void all(Index n, const One& one) {
    if constexpr (threads == 1) {
      for (Index i = 0; i < n; ++i) one(cuda::Alone{}, i);
    } else {
      Team::Room room(threads);
      std::vector<std::jthread> team;
      for (Index lane = 0; lane < threads; ++lane)
        team.emplace_back([&, lane] {
          const Team us(lane, room);
          for (Index i = 0; i < n; ++i) {
            one(us, i);
            us.sync();
          }
        });
    }
  }
  template <class F>
  void groups(Index n, const F& f) {
    all(n, [&](const auto& us, Index i) { f(us, i); });
  }
  // Shared memory holds anything at first.
  template <class F>
  void tiles(Index n, Index room, const F& f) {
    std::vector<T> shared(static_cast<std::size_t>(room));
    all(n, [&](const auto& us, Index i) {
      if (us.lane() == 0) std::fill(shared.begin(), shared.end(), std::numeric_limits<T>::quiet_NaN());
      us.sync();
      f(us, i, shared.data());
    });
  }
  void upload(void* to, const void* from, std::size_t bytes) {
    std::memcpy(to, from, bytes);
    ++uploads;
  }
  Finish<T> product(cuda::Turn turn, BasicView<const T> a, const Factor<T>& factor, T keep, BasicView<T> y, const Finish<T>& finish) {
    const auto b = factor.values;
    const Index inner = turn == cuda::Turn::left ? a.rows : a.columns;
    for (Index i = 0; i < y.rows; ++i)
      for (Index j = 0; j < y.columns; ++j) {
        T sum = 0;
        for (Index k = 0; k < inner; ++k)
          sum += (turn == cuda::Turn::left ? a.row(k)[i] : a.row(i)[k]) * (turn == cuda::Turn::right ? b.row(j)[k] : b.row(k)[j]);
        y.row(i)[j] = (keep == 0 ? T(0) : y.row(i)[j]) + sum;
      }
    return finish;
  }
};

template <class T, Index threads = 1>
class Emulated : public cuda::Environment<T, LoopQueue<T, threads>> {
  using cuda::Environment<T, LoopQueue<T, threads>>::Environment;
};

}  // namespace towpath::compare
