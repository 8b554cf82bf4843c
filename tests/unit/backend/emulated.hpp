// A CUDA environment without a GPU: kernels are called one item after the other, by a group of one or by a team of threads, and products are loops.
// What is tested so is the arithmetic of every kernel, how work is cut into items, all that surrounds them and, with a team, that whoever reads
// shared memory has waited for whoever wrote it; and that nobody else looks into the device's memory, which here ends the program as it would there.
#pragma once

#include "towpath/backend/cuda/environment.hpp"

#include <algorithm>
#include <barrier>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <thread>
#include <vector>

namespace towpath::compare {

// The memory of a device: nobody may read or write it but kernels, and copies as such.
struct Far {
  static constexpr std::size_t alignment = 256, reach = std::size_t{1} << 30;

  // Open for as long as one of these lives.
  struct Open {
    Open() { change(1); }
    ~Open() { change(-1); }
  };
  static void* allocate(std::size_t bytes) {
    bytes = (bytes + alignment - 1) / alignment * alignment;
    std::lock_guard lock(all().mutex);
    if (auto& free = all().free[bytes]; !free.empty()) {
      void* p = free.back();
      free.pop_back();
      return p;
    }
    if (all().used + bytes > reach) fail("the emulated device is full");
    void* p = static_cast<char*>(all().begin) + all().used;
    all().used += bytes;
    if (all().open > 0) protect(PROT_READ | PROT_WRITE);  // another thread's kernel is running
    return p;
  }
  static void release(void* p, std::size_t bytes) {
    std::lock_guard lock(all().mutex);
    all().free[(bytes + alignment - 1) / alignment * alignment].push_back(p);
  }
  static void clear(void* p, std::size_t bytes) {
    const Open open;
    std::memset(p, 0, bytes);
  }
  static void copy(void* to, const void* from, std::size_t bytes) {
    const Open open;
    std::memcpy(to, from, bytes);
  }

private:
  struct All {
    void* begin = ::mmap(nullptr, reach, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    std::size_t used = 0;
    std::map<std::size_t, std::vector<void*>> free;
    std::mutex mutex;
    int open = 0;
  };
  static All& all() {
    static All* const one = new All;  // buffers of other statics may outlive any other
    return *one;
  }
  static void change(int by) {
    std::lock_guard lock(all().mutex);
    const bool was = all().open > 0;
    all().open += by;
    if (const bool is = all().open > 0; is != was && all().used > 0) protect(is ? PROT_READ | PROT_WRITE : PROT_NONE);
  }
  static void protect(int how) {
    constexpr std::size_t page = 4096;
    ::mprotect(all().begin, (all().used + page - 1) / page * page, how);
  }
};

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
  using Space = Far;
  Index uploads = 0;

  explicit LoopQueue(const Settings& = {}) {}
  bool rounds() const { return false; }

  template <class F>
  void each(Index rows, Index columns, const F& f) {
    const Far::Open open;
    for (Index t = 0; t < rows; ++t)
      for (Index j = 0; j < columns; ++j) f(t, j);
  }
  // `one` calls a kernel for one item as one of a group.
  template <class One>
  void all(Index n, const One& one) {
    const Far::Open open;
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
    Far::copy(to, from, bytes);
    ++uploads;
  }
  Finish<T, Far> product(cuda::Turn turn, BasicView<const T, Far> a, const Factor<T, Far>& factor, T keep, BasicView<T, Far> y, const Finish<T, Far>& finish) {
    const Far::Open open;
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
