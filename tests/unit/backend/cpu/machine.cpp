#include "towpath/backend/cpu/machine.hpp"

#include <doctest/doctest.h>

using towpath::kernels::Machine;

TEST_CASE("what a machine runs, and what it prefers") {
  Machine m;
  CHECK(m.runs("baseline"));
  for (const char* name : {"avx2", "avx512", "avx512_bf16", "amx"}) CHECK_FALSE(m.runs(name));
  m.avx2 = m.avx512 = m.avx512_bf16 = true;
  CHECK(m.prefers("avx512_bf16"));
  CHECK_FALSE(m.runs("amx"));
  m.intel = true;  // dots are slow there, tiles are what is fast
  CHECK(m.runs("avx512_bf16"));
  CHECK_FALSE(m.prefers("avx512_bf16"));
  m.amx = true;
  CHECK(m.prefers("amx"));
}

TEST_CASE("what is found is consistent: each set contains the one before it") {
  const Machine m = Machine::find();
  if (m.amx) CHECK(m.avx512_bf16);
  if (m.avx512_bf16) CHECK(m.avx512);
  if (m.avx512) CHECK(m.avx2);
}
