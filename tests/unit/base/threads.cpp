#include "towpath/base/threads.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <doctest/doctest.h>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

using namespace towpath;

namespace {
using Pieces = std::vector<std::pair<Index, Index>>;

Pieces pieces(Threads& threads, Index n, Index grain) {
  Pieces all;
  std::mutex mutex;
  threads.rows(n, grain, [&](Index first, Index last) {
    std::lock_guard lock(mutex);
    all.emplace_back(first, last);
  });
  std::sort(all.begin(), all.end());
  return all;
}
}  // namespace

TEST_CASE("count includes the caller; zero means as many as the machine has") {
  CHECK(Threads(1).count() == 1);
  CHECK(Threads(5).count() == 5);
  CHECK(Threads(0).count() >= 1);
  CHECK(Threads(0).count() == Threads().count());
}

TEST_CASE("the pieces are those of n and grain, for any number of threads, and cover every row once") {
  Threads one(1), two(2), five(5);
  for (const Index n : {0, 1, 2, 7, 63, 64, 65, 1000})
    for (const Index grain : {-1, 0, 1, 3, 64, 5000}) {
      CAPTURE(n);
      CAPTURE(grain);
      const Pieces expected = pieces(one, n, grain);
      const Index size = std::max<Index>(grain, 1);
      CHECK(static_cast<Index>(expected.size()) == (n + size - 1) / size);
      Index at = 0;
      for (const auto& [first, last] : expected) {
        CHECK(first == at);
        CHECK(last == std::min(n, first + size));
        at = last;
      }
      CHECK(at == n);
      CHECK(pieces(two, n, grain) == expected);
      CHECK(pieces(five, n, grain) == expected);
    }
  CHECK(pieces(five, -3, 1).empty());
}

TEST_CASE("a kernel that writes its own rows gives the same bits on 1, 2 and 5 threads") {
  const auto result = [](Index count) {
    Threads threads(count);
    std::vector<double> y(1003);
    threads.rows(1003, 17, [&](Index first, Index last) {
      double running = 0;  // depends on where the piece begins, so it shows if pieces do
      for (Index i = first; i < last; ++i) y[static_cast<std::size_t>(i)] = running += std::sin(static_cast<double>(i));
    });
    return y;
  };
  const auto expected = result(1);
  CHECK(result(2) == expected);
  CHECK(result(5) == expected);
}

TEST_CASE("what workers wrote is visible when rows() comes back, ten thousand times") {
  for (const Index count : {2, 5}) {
    Threads threads(count);
    std::vector<int> y(static_cast<std::size_t>(count) * 2);
    int wrong = 0;
    for (int region = 0; region < 10000; ++region) {
      threads.rows(static_cast<Index>(y.size()), 1, [&](Index first, Index last) {
        for (Index i = first; i < last; ++i) y[static_cast<std::size_t>(i)] = region;
      });
      for (int v : y) wrong += v != region;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("workers that have gone to sleep wake up, and sleeping ones can be sent home") {
  using namespace std::chrono_literals;
  Threads threads(3);
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(20ms);
    std::atomic<Index> sum = 0;
    threads.rows(100, 7, [&](Index first, Index last) { sum += last - first; });
    CHECK(sum == 100);
  }
  std::this_thread::sleep_for(20ms);
}

TEST_CASE("work is shared: with pieces that wait for each other, more than one thread has to be there") {
  Threads threads(2);
  std::atomic<int> arrived = 0;
  threads.rows(2, 1, [&](Index, Index) {
    ++arrived;
    while (arrived < 2) std::this_thread::yield();  // would hang (and time out) on one thread
  });
  CHECK(arrived == 2);
}

TEST_CASE("pools come and go") {
  for (int i = 0; i < 100; ++i) {
    Threads threads(3);
    if (i % 2) {
      std::atomic<Index> sum = 0;
      threads.rows(10, 1, [&](Index first, Index) { sum += first; });
      CHECK(sum == 45);
    }
  }
}
