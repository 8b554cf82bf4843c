#include "towpath/base/check.hpp"

#include <doctest/doctest.h>
#include <exception>
#include <string>
#include <type_traits>

using namespace towpath;

static_assert(std::is_base_of_v<std::exception, Error> && std::is_base_of_v<Complaint, Error>);

TEST_CASE("a complaint is one sentence: what, why, fix, each only if there is one") {
  CHECK(Complaint{"no such file", "the disk says so", "Give another name"}.sentence() ==
        "no such file: the disk says so. Give another name");
  CHECK(Complaint{"no such file", "", "Give another name"}.sentence() == "no such file. Give another name");
  CHECK(Complaint{"no such file", "the disk says so", ""}.sentence() == "no such file: the disk says so");
  CHECK(Complaint{"no such file", "", ""}.sentence() == "no such file");
  CHECK(Complaint{}.sentence().empty());
}

TEST_CASE("fail throws an Error that keeps the three parts and says the sentence") {
  try {
    fail("a", "b", "c");
    FAIL("fail() came back");
  } catch (const Error& e) {
    CHECK(std::string(e.what()) == "a: b. c");
    CHECK(e.complaint().what == "a");
    CHECK(e.complaint().why == "b");
    CHECK(e.complaint().fix == "c");
  }
  CHECK_THROWS_WITH_AS(fail("only what"), "only what", Error);
}

TEST_CASE("an Error is a std::exception whose sentence survives a copy") {
  std::exception_ptr kept;
  try {
    fail("copied", "on the way");
  } catch (...) {
    kept = std::current_exception();
  }
  try {
    std::rethrow_exception(kept);
  } catch (const std::exception& e) {
    CHECK(std::string(e.what()) == "copied: on the way");
  }
  const Error first(Complaint{"x", "y", "z"});
  const Error second = first;
  CHECK(std::string(second.what()) == "x: y. z");
  CHECK(second.what() != first.what());  // a string of its own
}

TEST_CASE("TOWPATH_CHECK is an expression that evaluates its condition once here, and passes when it holds") {
  int evaluated = 0;
  TOWPATH_CHECK(++evaluated == 1);
  CHECK(evaluated == 1);
  const auto in_an_expression = [](int n) { return TOWPATH_CHECK(n > 0), n; };
  CHECK(in_an_expression(3) == 3);
}
