#pragma once

#include "towpath/base/config.hpp"

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace towpath {

// A memory space: how its blocks are got, given back and cleared. Device memory is another such struct (backend/cuda).
struct Host {
  static constexpr std::size_t alignment = 64;

  static void* allocate(std::size_t bytes) { return ::operator new(bytes, std::align_val_t{alignment}); }
  static void release(void* p) { ::operator delete(p, std::align_val_t{alignment}); }
  static void clear(void* p, std::size_t bytes) { std::memset(p, 0, bytes); }
  static void copy(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
};

// Blocks that were used and will be wanted again: a steady training step asks the system for nothing. Sizes are rounded up to
// an eighth of a power of two, so that batches of slightly different lengths share blocks.
template <class Space>
class Pool {
public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    for (auto& [size, blocks] : free_)
      for (void* p : blocks) Space::release(p);
  }

  static std::size_t rounded(std::size_t bytes) {
    std::size_t step = 64;
    while (step * 16 < bytes) step *= 2;
    return (bytes + step - 1) / step * step;
  }
  void* take(std::size_t size) {
    {
      std::lock_guard lock(mutex_);
      if (auto it = free_.find(size); it != free_.end() && !it->second.empty()) {
        void* p = it->second.back();
        it->second.pop_back();
        return p;
      }
      ++fetched_;
    }
    return Space::allocate(size);
  }
  void give(void* p, std::size_t size) {
    std::lock_guard lock(mutex_);
    free_[size].push_back(p);
  }
  // How often the system was asked; constant over a steady step.
  std::size_t fetched() const { return fetched_; }

private:
  std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;
  std::size_t fetched_ = 0;
};

// An owner of 64-byte aligned memory; from a pool if one is given, from the system otherwise. Moves, never copies.
template <class Space>
class Buffer {
public:
  Buffer() = default;
  explicit Buffer(std::size_t bytes, std::shared_ptr<Pool<Space>> pool = {})
      : size_(bytes ? Pool<Space>::rounded(bytes) : 0), pool_(std::move(pool)) {
    if (size_) data_ = pool_ ? pool_->take(size_) : Space::allocate(size_);
  }
  Buffer(Buffer&& o) noexcept
      : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)), pool_(std::move(o.pool_)) {}
  Buffer& operator=(Buffer&& o) noexcept {
    if (this != &o) {
      drop();
      data_ = std::exchange(o.data_, nullptr);
      size_ = std::exchange(o.size_, 0);
      pool_ = std::move(o.pool_);
    }
    return *this;
  }
  ~Buffer() { drop(); }

  void* data() const { return data_; }
  std::size_t size() const { return size_; }

private:
  void drop() {
    if (!data_) return;
    if (pool_) pool_->give(data_, size_);
    else Space::release(data_);
    data_ = nullptr;
  }

  void* data_ = nullptr;
  std::size_t size_ = 0;
  std::shared_ptr<Pool<Space>> pool_;
};

}  // namespace towpath
