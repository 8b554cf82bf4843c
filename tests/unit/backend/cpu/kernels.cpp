#include "towpath/backend/cpu/kernels.hpp"

#include "towpath/backend/cpu/cpu.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace towpath;

TEST_CASE("kernels are found by name, and a name that is none is answered with those there are") {
  const Cpu<float> plain({.threads = 1});
  const std::string best = plain.kernels().name;
  const Cpu<float> named({.threads = 1, .isa = plain.kernels().name});
  CHECK(std::string(named.kernels().name) == best);
  try {
    Cpu<float> none({.threads = 1, .isa = "abacus"});
    FAIL("it was accepted");
  } catch (const Error& e) {
    CHECK(std::string(e.what()).find("there are no kernels called \"abacus\"") != std::string::npos);
    CHECK(std::string(e.what()).find(best) != std::string::npos);
  }
}

TEST_CASE("a name that differs in bf16 only serves double too") {
  for (const char* isa : {"amx", "avx512_bf16"}) {
    try {
      Cpu<float> probe({.threads = 1, .isa = isa});
    } catch (const Error&) {
      MESSAGE("skipped: not on this machine: ", std::string(isa));
      continue;
    }
    const Cpu<double> d({.threads = 1, .isa = isa});
    CHECK(bool(d.kernels().product));
  }
}
