#include "towpath/data/ahead.hpp"

#include "towpath/base/check.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace towpath;

namespace {
void pause(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }
auto up_to(int n) {
  return [i = 0, n]() mutable -> std::optional<std::unique_ptr<int>> {
    if (i == n) return std::nullopt;
    return std::make_unique<int>(i++);
  };
}
}  // namespace

TEST_CASE("everything comes, in order, at every depth") {
  for (Index depth : {0, 1, 2, 7})
    for (int n : {0, 1, 500}) {
      Ahead ahead(up_to(n), depth);
      std::vector<int> got;
      while (auto item = ahead.next()) got.push_back(**item);
      REQUIRE(static_cast<int>(got.size()) == n);
      for (int i = 0; i < n; ++i) CHECK(got[static_cast<std::size_t>(i)] == i);
      CHECK_FALSE(ahead.next());  // and still at its end
    }
}

TEST_CASE("it works ahead on another thread, but not further than depth") {
  std::atomic<int> made{0};
  std::thread::id where{};
  Ahead ahead(
      [&]() -> std::optional<int> {
        where = std::this_thread::get_id();
        return made++;
      },
      3);
  for (int waited = 0; made < 3 && waited < 5000; ++waited) pause(1);
  pause(30);
  CHECK(made == 3);  // without anyone asking, and no more
  CHECK(*ahead.next() == 0);
  for (int waited = 0; made < 4 && waited < 5000; ++waited) pause(1);
  pause(30);
  CHECK(made == 4);
  CHECK(where != std::this_thread::get_id());

  std::thread::id here{};
  Ahead none([&]() -> std::optional<int> { return here = std::this_thread::get_id(), 1; }, 0);
  CHECK(here == std::thread::id{});
  none.next();
  CHECK(here == std::this_thread::get_id());
}

TEST_CASE("an error comes out where it belongs, once") {
  for (Index depth : {0, 1, 4}) {
    Ahead ahead(
        [i = 0]() mutable -> std::optional<int> {
          if (i == 2) fail("no third");
          return i++;
        },
        depth);
    CHECK(*ahead.next() == 0);
    CHECK(*ahead.next() == 1);
    std::string what;
    try {
      ahead.next();
    } catch (const Error& e) {
      what = e.what();
    }
    CHECK(what == "no third");
    CHECK_FALSE(ahead.next());
  }
}

TEST_CASE("one that is no longer wanted ends, whatever it is doing") {
  for (int taken : {0, 1, 3}) {
    Ahead ahead(up_to(1000), 2);
    for (int i = 0; i < taken; ++i) ahead.next();
  }
  Ahead slow([]() -> std::optional<int> { return pause(20), 1; }, 2);
  Ahead failed([]() -> std::optional<int> { fail("never asked for"); }, 2);
  CHECK(*slow.next() == 1);
}
