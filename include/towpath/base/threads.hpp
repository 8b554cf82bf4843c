#pragma once

#include "towpath/base/config.hpp"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace towpath {

// A small pool. rows(n, grain, f) calls f(begin, end) on pieces of [0, n) of `grain` rows each (the last may be shorter). Which
// pieces there are depends on n and grain alone, never on the number of threads, so a kernel that writes only its own rows
// gives the same bits on one core and on sixty-four. Workers spin for a moment before they sleep.
class Threads {
public:
  explicit Threads(Index count = 0) {
    if (count <= 0) count = static_cast<Index>(std::thread::hardware_concurrency());
    if (count <= 0) count = 1;
    for (Index i = 1; i < count; ++i) workers_.emplace_back([this] { work(); });
  }
  ~Threads() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (auto& w : workers_) w.join();
  }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  Index count() const { return static_cast<Index>(workers_.size()) + 1; }

  template <class F>
  void rows(Index n, Index grain, const F& f) {
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    const Index pieces = (n + grain - 1) / grain;
    if (pieces == 1 || workers_.empty()) {
      for (Index b = 0; b < n; b += grain) f(b, b + grain < n ? b + grain : n);
      return;
    }
    struct Call {
      const F& f;
      Index n, grain;
    } call{f, n, grain};
    run(&call, [](const void* c, Index piece) {
          const auto& k = *static_cast<const Call*>(c);
          const Index b = piece * k.grain;
          k.f(b, b + k.grain < k.n ? b + k.grain : k.n);
        }, pieces);
  }

private:
  using Body = void (*)(const void*, Index);

  void run(const void* call, Body body, Index pieces) {
    {
      std::lock_guard lock(mutex_);
      call_ = call;
      body_ = body;
      pieces_ = pieces;
      next_.store(0, std::memory_order_relaxed);
      busy_.store(static_cast<Index>(workers_.size()), std::memory_order_relaxed);
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    drain();
    while (busy_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
  }

  void drain() {
    for (Index p; (p = next_.fetch_add(1, std::memory_order_relaxed)) < pieces_;) body_(call_, p);
  }

  void work() {
    unsigned seen = 0;
    for (;;) {
      for (int spin = 0; spin < 4000 && generation_.load(std::memory_order_acquire) == seen; ++spin)
        if (spin > 200) std::this_thread::yield();
      if (generation_.load(std::memory_order_acquire) == seen) {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
      }
      {
        std::lock_guard lock(mutex_);
        seen = generation_.load(std::memory_order_relaxed);
        if (stop_) return;
      }
      drain();
      busy_.fetch_sub(1, std::memory_order_release);
    }
  }

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<unsigned> generation_{0};
  std::atomic<Index> next_{0}, busy_{0};
  const void* call_ = nullptr;
  Body body_ = nullptr;
  Index pieces_ = 0;
  bool stop_ = false;
};

}  // namespace towpath
