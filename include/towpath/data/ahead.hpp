#pragma once

#include "towpath/base/config.hpp"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#if defined(__cpp_exceptions)
#include <exception>
#endif

namespace towpath {

// Makes what is needed next while the present one is worked on: `make` is called again and again on a thread of its own,
// until it says std::nullopt, and next() hands over what it made, in that order.
//   Ahead batches([&, i = Index{0}]() mutable -> std::optional<Batch> { … return epoch.batch(i++); });
//   while (auto batch = batches.next()) …
// At most `depth` items are waiting or being made. With depth 0 there is no thread: next() calls make itself, and what comes
// out is the same, since make sees the same calls in the same order.
// An exception from make comes out of next(), after what was made before it; nothing follows it.
// make runs beside the caller's thread: what both touch must not change meanwhile, and an environment belongs to the caller.
// The destructor waits for the item that is being made.
template <class Make>
class Ahead {
public:
  using Item = typename std::invoke_result_t<Make&>::value_type;

  explicit Ahead(Make make, Index depth = 2) : make_(std::move(make)), depth_(depth > 0 ? static_cast<std::size_t>(depth) : 0) {
    if (depth_) thread_ = std::thread([this] { work(); });
  }
  ~Ahead() {
    if (!depth_) return;
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    room_.notify_one();
    thread_.join();
  }
  Ahead(const Ahead&) = delete;
  Ahead& operator=(const Ahead&) = delete;

  std::optional<Item> next() {
    if (!depth_) return end_ ? std::nullopt : one();
    std::unique_lock lock(mutex_);
    some_.wait(lock, [&] { return end_ || !items_.empty(); });
    if (!items_.empty()) {
      std::optional<Item> item(std::move(items_.front()));
      items_.pop_front();
      lock.unlock();
      room_.notify_one();
      return item;
    }
#if defined(__cpp_exceptions)
    if (std::exception_ptr error = std::exchange(error_, nullptr)) std::rethrow_exception(error);
#endif
    return std::nullopt;
  }

private:
  std::optional<Item> one() {
    end_ = true;  // also if make throws
    std::optional<Item> item = make_();
    end_ = !item;
    return item;
  }

  void work() {
#if defined(__cpp_exceptions)
    try {
      fill();
    } catch (...) {
      std::lock_guard lock(mutex_);
      error_ = std::current_exception();
    }
#else
    fill();
#endif
    {
      std::lock_guard lock(mutex_);
      end_ = true;
    }
    some_.notify_one();
  }
  void fill() {
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [&] { return stop_ || items_.size() < depth_; });
        if (stop_) return;
      }
      std::optional<Item> item = make_();
      if (!item) return;
      {
        std::lock_guard lock(mutex_);
        items_.push_back(std::move(*item));
      }
      some_.notify_one();
    }
  }

  Make make_;
  std::size_t depth_;
  std::mutex mutex_;
  std::condition_variable room_, some_;
  std::deque<Item> items_;
  bool stop_ = false, end_ = false;
#if defined(__cpp_exceptions)
  std::exception_ptr error_;
#endif
  std::thread thread_;  // last: it begins when everything else is there
};

}  // namespace towpath
