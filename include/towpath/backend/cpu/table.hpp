// The kernels of the instruction set that this translation unit is compiled for, as tables.
#pragma once

#include "towpath/backend/cpu/attention.hpp"
#include "towpath/backend/cpu/attention_amx.hpp"
#include "towpath/backend/cpu/bf16.hpp"
#include "towpath/backend/cpu/kernels.hpp"
#include "towpath/backend/cpu/machine.hpp"
#include "towpath/backend/cpu/rowwise.hpp"
#include "towpath/backend/cpu/search.hpp"
#include "towpath/backend/cpu/tile.hpp"

#include <cstddef>
#include <span>

namespace towpath {
inline namespace TOWPATH_ISA {
namespace cpu {

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__)
inline constexpr const char* isa_name = "avx512";
inline constexpr int isa_key = 2;
#elif defined(__AVX2__) && defined(__FMA__)
inline constexpr const char* isa_name = "avx2";
inline constexpr int isa_key = 1;
#else
inline constexpr const char* isa_name = "baseline";
inline constexpr int isa_key = 0;
#endif

template <class T>
kernels::Table<T> table() {
  kernels::Table<T> k{};
  k.name = isa_name;
  k.key = isa_key;
  k.panel = panel_width<T>;
  k.packed_size = &packed_size<T>;
  k.pack = &pack<T>;
  k.product = &product<T>;
  k.tn_scratch = tn_scratch<T>;
  k.tn = &tn<T>;
  if constexpr (sizeof(T) == 4) {
    k.bf16_size = &half_width::size;
    k.bf16_pack = &half_width::pack<1>;
    k.bf16_turn = &half_width::turn;
    k.bf16_panel = half_width::panel_columns;
    k.bf16_scratch = &half_width::no_scratch;
    k.bf16_product = &half_width::product_widened;
  }
  k.attention = k.bf16_attention = {&attention_scratch<T>, &attention<T>, &attention_backward<T>};
  k.add_row = &add_row<T>;
  k.add_scaled = &add_scaled<T>;
  k.unary = &unary<T>;
  k.unary_backward = &unary_backward<T>;
  k.finish = &finish<T>;
  k.layer_norm = &layer_norm<T>;
  k.layer_norm_backward = &layer_norm_backward<T>;
  k.normalise = &normalise<T>;
  k.dropout = &dropout<T>;
  k.column_sums_add = &column_sums_add<T>;
  k.adam = &adam<T>;
  k.plain = strips::store<strips::Plain<T>>();
  if constexpr (sizeof(T) == 4) {
    k.in_bf16 = strips::store<strips::Widened>();
    k.in_int8 = strips::store<strips::Bytes>();
  }
  return k;
}

// The best first.
template <class T>
std::span<const kernels::Table<T>> tables() {
  static const auto all = [] {
    struct {
      kernels::Table<T> of[3];
      std::size_t count = 0;
    } t;
    const auto with_bf16 = [&]([[maybe_unused]] const char* name, [[maybe_unused]] auto product, [[maybe_unused]] auto scratch) {
      kernels::Table<T> k = table<T>();
      k.name = name;
      k.bf16_product = product;
      k.bf16_scratch = scratch;
      t.of[t.count++] = k;
    };
    static_cast<void>(with_bf16);
    if constexpr (sizeof(T) == 4) {
#ifdef TOWPATH_HAS_AMX
      with_bf16("amx", &half_width::product_amx<1>, &half_width::scratch);
      kernels::Table<T>& amx = t.of[t.count - 1];
      amx.attention = {&tiles::attention_scratch<tiles::three>, &tiles::attention<tiles::three>, &tiles::attention_backward<tiles::three>};
      amx.bf16_attention = {&tiles::attention_scratch<1>, &tiles::attention<1>, &tiles::attention_backward<1>};
      amx.split_size = &half_width::split_size;
      amx.split_pack = &half_width::pack<tiles::three>;
      amx.split_scratch = &half_width::split_scratch;
      amx.split_product = &half_width::product_amx<tiles::three>;
      amx.split_tokens = half_width::tn_tokens;
      amx.split_columns = &half_width::split_columns;
      amx.split_tn = &half_width::split_tn;
#if defined(__AMX_INT8__) && defined(__AVX512VNNI__)
      t.of[t.count - 1].in_bf16 = strips::tiles_store<strips::Dotted>();
      t.of[t.count - 1].in_int8 = strips::tiles_store<strips::SignedBytes>();
#endif
#endif
#if defined(__AVX512BF16__)
      with_bf16("avx512_bf16", &half_width::product_dotted, &half_width::scratch);
      t.of[t.count - 1].in_bf16 = strips::store<strips::Dotted>();
#endif
    }
    t.of[t.count++] = table<T>();
    return t;
  }();
  return {all.of, all.count};
}

}  // namespace cpu
}  // namespace TOWPATH_ISA
}  // namespace towpath
