// What programs use most, compiled once in towpath::kernels: operations on the CPU's environments, the index, what reads, writes and checks
// weights. TOWPATH_USUAL() defines it there (cmake/kernels.cmake), and declares it to a program that links it.
#pragma once

#include "towpath/autodiff/check.hpp"
#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/backend/functions.hpp"
#include "towpath/backend/op.hpp"
#include "towpath/data/triples.hpp"
#include "towpath/io/checkpoint.hpp"
#include "towpath/ir/flat_index.hpp"

#define TOWPATH_DETAIL_FUNCTION(storage, F, Env)                          \
  storage template Tensor<Env> unary<functions::F, Env>(Env&, View<Env>); \
  storage template Tensor<Env> unary_backward<functions::F, Env>(Env&, View<Env>, View<Env>);
#define TOWPATH_DETAIL_OPS(storage, Env)                                                                      \
  storage template Tensor<Env> nt<Env>(Env&, View<Env>, const FactorOf<Env>&, const FinishOf<Env>&);          \
  storage template Tensor<Env> nn<Env>(Env&, View<Env>, const FactorOf<Env>&, const FinishOf<Env>&);          \
  storage template Tensor<Env> nt_nt<Env>(Env&, View<Env>, const FactorOf<Env>&, const FinishOf<Env>&,        \
                                          const FactorOf<Env>&, const FinishOf<Env>&);                        \
  storage template Tensor<Env> nn_nn<Env>(Env&, View<Env>, const FactorOf<Env>&, const FinishOf<Env>&,        \
                                          const FactorOf<Env>&, const FinishOf<Env>&);                        \
  storage template void tn_add<Env>(Env&, View<Env>, View<Env>, Writable<Env>);                               \
  storage template void column_sums_add<Env>(Env&, View<Env>, Writable<Env>);                                 \
  storage template void add_scaled<Env>(Env&, Scalar<Env>, View<Env>, Writable<Env>);                         \
  storage template Tensor<Env> copy<Env>(Env&, View<Env>);                                                    \
  storage template void finish<Env>(Env&, Writable<Env>, const FinishOf<Env>&);                               \
  storage template void dropout<Env>(Env&, Mask, Writable<Env>);                                              \
  storage template Tensor<Env> layer_norm<Env>(Env&, View<Env>, View<Env>, View<Env>, double, Tensor<Env>&,   \
                                               View<Env>);                                                    \
  storage template Tensor<Env> layer_norm_backward<Env>(Env&, View<Env>, View<Env>, View<Env>, View<Env>);    \
  storage template void layer_norm_gain_add<Env>(Env&, View<Env>, View<Env>, View<Env>, Writable<Env>);       \
  storage template void gather_rows_add<Env>(Env&, View<Env>, Ids, Writable<Env>);                            \
  storage template Tensor<Env> attention<Env>(Env&, View<Env>, View<Env>, View<Env>, View<Env>, View<Env>,    \
                                              const Sequences&, Index, Mask, Tensor<Env>&, bool);             \
  storage template AttentionGradients<Env> attention_backward<Env>(                                           \
      Env&, View<Env>, View<Env>, View<Env>, View<Env>, View<Env>, View<Env>, const Sequences&, Index, Mask,  \
      View<Env>, Writable<Env>, Writable<Env>, bool);                                                         \
  storage template Tensor<Env> normalise_rows<Env>(Env&, View<Env>, Tensor<Env>&);                            \
  storage template Tensor<Env> normalise_rows_backward<Env>(Env&, View<Env>, View<Env>, View<Env>);           \
  storage template double cross_entropy<Env>(Env&, View<Env>, std::span<const Index>,                         \
                                             std::span<const std::pair<Index, Index>>, double, Tensor<Env>&); \
  storage template void adam_step<Env>(Env&, const Adam&, std::uint64_t, double, View<Env>, Writable<Env>,    \
                                       Writable<Env>, Writable<Env>);                                         \
  storage template double square_norm<Env>(Env&, View<Env>);                                                  \
  TOWPATH_DETAIL_FUNCTION(storage, Gelu, Env)                                                                 \
  TOWPATH_DETAIL_FUNCTION(storage, Relu, Env)

#define TOWPATH_DETAIL_LEAVES(storage, Env)                                                                          \
  storage template void fill_from<Env>(Tensor<Env>&, Start, std::uint64_t, std::string_view);                        \
  storage template void read_into<Env>(std::vector<LeafRef<Env>>, const Safetensors&, const Dialect&, LeafTest<Env>, \
                                       LeafTest<Env>, const char*);                                                  \
  storage template void write_leaves<Env>(const std::vector<LeafRef<Env>>&, const std::string&, const Metadata&);
#define TOWPATH_USUAL(storage)                                                                                \
  namespace towpath {                                                                                         \
  namespace detail {                                                                                          \
  using HalfWeights = Cpu<float, bf16>;                                                                       \
  using EitherWeights = Cpu<float, FloatOrBf16>;                                                              \
  TOWPATH_DETAIL_LEAVES(storage, Cpu<float>)                                                                  \
  TOWPATH_DETAIL_LEAVES(storage, HalfWeights)                                                                 \
  TOWPATH_DETAIL_LEAVES(storage, EitherWeights)                                                               \
  storage template class Differences<Cpu<double>>;                                                            \
  storage template void fill_from<Cpu<double>>(Tensor<Cpu<double>>&, Start, std::uint64_t, std::string_view); \
  }                                                                                                           \
  namespace op {                                                                                              \
  TOWPATH_DETAIL_OPS(storage, Cpu<float>)                                                                     \
  TOWPATH_DETAIL_OPS(storage, Cpu<double>)                                                                    \
  TOWPATH_DETAIL_OPS(storage, detail::HalfWeights)                                                            \
  TOWPATH_DETAIL_OPS(storage, detail::EitherWeights)                                                          \
  }                                                                                                           \
  storage template class Epoch<Triples>;                                                                      \
  storage template class FlatIndex<Cpu<float>>;                                                               \
  }

#ifdef TOWPATH_USUAL_ELSEWHERE
TOWPATH_USUAL(extern)
#endif
