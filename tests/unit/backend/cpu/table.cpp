#include "towpath/backend/cpu/table.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace towpath;

TEST_CASE_TEMPLATE("a table is complete, and the last of them needs nothing beyond its instruction set", T, float, double) {
  const auto all = cpu::tables<T>();
  REQUIRE(all.size() > 0);
  CHECK(std::string(all.back().name) == cpu::isa_name);
  for (const auto& t : all) {
    CHECK((t.panel > 0 && t.packed_size && t.pack && t.product && t.tn && t.tn_scratch > 0));
    for (const auto& a : {t.attention, t.bf16_attention}) CHECK((a.scratch && a.forward && a.backward));
    CHECK((t.add_row && t.add_scaled && t.unary && t.unary_backward));
    CHECK((t.finish && t.layer_norm && t.layer_norm_backward && t.normalise && t.dropout && t.column_sums_add && t.adam));
    CHECK((t.bf16_product != nullptr) == (sizeof(T) == 4));
    const bool split = t.split_product != nullptr;  // all of it or nothing
    CHECK(((t.split_size != nullptr) == split && (t.split_pack != nullptr) == split && (t.split_scratch != nullptr) == split));
    CHECK(((t.split_columns != nullptr) == split && (t.split_tn != nullptr) == split && (t.split_tokens > 0) == split));
    CHECK((t.plain.strip > 0 && t.plain.size && t.plain.put && t.plain.query_size && t.plain.prepare && t.plain.search));
    CHECK((t.in_bf16.search != nullptr) == (sizeof(T) == 4));
    CHECK((t.in_int8.search != nullptr) == (sizeof(T) == 4));
  }
}
