#pragma once

#include "towpath/base/config.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace towpath {

// A memory space: how its blocks are got, given back and cleared; one that may run out of them says allocate_or_null, too. Device memory is another such struct (backend/cuda).
struct Host {
  static constexpr std::size_t alignment = 64;

  static constexpr std::size_t large = std::size_t{2} << 20;  // the size of a large page, where there are such

  // What is as large as a large page begins on one, and the system is asked to use them: a product touches many rows at once, each on a page of
  // its own, and the processor remembers the places of few.
  static void* allocate(std::size_t bytes) {
    if (bytes < large) return ::operator new(bytes, std::align_val_t{alignment});
    void* p = ::operator new(bytes, std::align_val_t{large});
#if defined(MADV_HUGEPAGE)
    ::madvise(p, bytes, MADV_HUGEPAGE);
#endif
    return p;
  }
  static void release(void* p, std::size_t bytes) {
    if (bytes < large) ::operator delete(p, std::align_val_t{alignment});
    else ::operator delete(p, std::align_val_t{large});
  }
  static void clear(void* p, std::size_t bytes) { std::memset(p, 0, bytes); }
  static void copy(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
  // Memory that will be read over and over from end to end: large pages, where the system has them and was not told not to.
  static void large_pages(void* p, std::size_t bytes) {
#if defined(__linux__)
    constexpr std::uintptr_t page = 4096;
    const auto begin = (reinterpret_cast<std::uintptr_t>(p) + page - 1) / page * page, end = (reinterpret_cast<std::uintptr_t>(p) + bytes) / page * page;
    if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
    static_cast<void>(p), static_cast<void>(bytes);
#endif
  }
  // Pages of a file that nobody will read for a while: the system may drop them and read them again.
  static void idle(const void* p, std::size_t bytes) {
#if defined(__unix__) || defined(__APPLE__)
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto begin = (reinterpret_cast<std::uintptr_t>(p) + page - 1) / page * page, end = (reinterpret_cast<std::uintptr_t>(p) + bytes) / page * page;
    if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
#else
    static_cast<void>(p), static_cast<void>(bytes);
#endif
  }
};

// Blocks that were used and will be wanted again: a steady training step asks the system for nothing. A request takes the smallest free
// block that is large enough and at most a half larger than wanted, so that batches of different lengths share blocks; free
// blocks beyond twice what was in use at the busiest moment are given back (once would not do: blocks of different sizes that a
// step uses one after the other are all wanted again in the next).
template <class Space>
class Pool {
public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() { release_free(); }

  struct Block {
    void* data;
    std::size_t size;
  };
  static std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

  Block take(std::size_t bytes) {
    const std::size_t size = rounded(bytes);
    {
      std::lock_guard lock(mutex_);
      if (const auto it = first_of(size); it != free_.end() && it->size <= size + size / 2) {
        const Block b = *it;
        free_.erase(it);
        idle_ -= b.size;
        use(b.size);
        return b;
      }
      ++fetched_;
      use(size);
    }
    if constexpr (requires { Space::allocate_or_null(size); }) {  // where memory is scarce, what nobody uses makes room before there is none
      if (void* p = Space::allocate_or_null(size)) return {p, size};
      std::lock_guard lock(mutex_);
      release_free();
    }
    return {Space::allocate(size), size};
  }
  void give(Block b) {
    std::lock_guard lock(mutex_);
    used_ -= b.size;
    free_.insert(first_of(b.size), b);
    idle_ += b.size;
    while (used_ + idle_ > 2 * most_ && !free_.empty()) {  // the largest first: it is the likeliest to be of a batch long past
      idle_ -= free_.back().size;
      Space::release(free_.back().data, free_.back().size);
      free_.pop_back();
    }
  }
  // How often the system was asked. It comes to rest over steps that are alike: no size is fetched oftener than it is in use at once.
  std::size_t fetched() const { return fetched_; }

private:
  void release_free() {
    for (const Block& b : free_) Space::release(b.data, b.size);
    free_.clear();
    idle_ = 0;
  }
  auto first_of(std::size_t size) {
    return std::lower_bound(free_.begin(), free_.end(), size, [](const Block& b, std::size_t least) { return b.size < least; });
  }
  void use(std::size_t size) {
    used_ += size;
    most_ = used_ > most_ ? used_ : most_;
  }

  std::mutex mutex_;
  std::vector<Block> free_;  // by size, of equals the last used first; a vector, for its room stays where a tree would ask for a node
  std::size_t fetched_ = 0, used_ = 0, idle_ = 0, most_ = 0;
};

// An owner of 64-byte aligned memory; from a pool if one is given, from the system otherwise. Moves, never copies.
template <class Space>
class Buffer {
public:
  Buffer() = default;
  explicit Buffer(std::size_t bytes, std::shared_ptr<Pool<Space>> pool = {}) : pool_(std::move(pool)) {
    if (!bytes) return;
    if (pool_) {
      const auto block = pool_->take(bytes);
      data_ = block.data;
      size_ = block.size;
    } else {
      size_ = Pool<Space>::rounded(bytes);
      data_ = Space::allocate(size_);
    }
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
    if (pool_) pool_->give({data_, size_});
    else Space::release(data_, size_);
    data_ = nullptr;
  }

  void* data_ = nullptr;
  std::size_t size_ = 0;
  std::shared_ptr<Pool<Space>> pool_;
};

// A constant in other layouts: a frozen weight as the kernels want to read it. Each is made at the first request, once for all who share
// the weight, and lives as long as it does. What is never asked for is never made.
template <class Space>
class BasicForms {
public:
  // `mapped`: the values are pages of a file, which the system can read again and so need not keep once a form has been made of them.
  explicit BasicForms(bool mapped = false) : mapped_(mapped) {}

  // The form called `key`: `bytes` bytes that make(memory) fills.
  template <class Make>
  const void* form(int key, std::size_t bytes, const Make& make, const void* values, std::size_t size) {
    std::lock_guard lock(mutex_);
    if (const void* there = find(key)) return there;
    if (count_ == most) return nullptr;
    keys_[count_] = key;
    forms_[count_] = Buffer<Space>(bytes);
    make(forms_[count_].data());
    idle(values, size);
    return forms_[count_++].data();
  }
  // Nobody will read the values for a while.
  void idle(const void* values, std::size_t size) const {
    if (mapped_) Host::idle(values, size);
  }
  // The same if it is there, else null.
  const void* form(int key) const {
    std::lock_guard lock(mutex_);
    return find(key);
  }
  std::size_t bytes() const {
    std::lock_guard lock(mutex_);
    std::size_t n = 0;
    for (int i = 0; i < count_; ++i) n += forms_[i].size();
    return n;
  }

private:
  const void* find(int key) const {
    for (int i = 0; i < count_; ++i)
      if (keys_[i] == key) return forms_[i].data();
    return nullptr;
  }

  static constexpr int most = 8;
  mutable std::mutex mutex_;
  int keys_[most] = {}, count_ = 0;
  Buffer<Space> forms_[most];
  bool mapped_;
};
using Forms = BasicForms<Host>;

}  // namespace towpath
