// What the CPU backend asks of an instruction set, as a table of functions on plain memory. A program compiled for one instruction set has one
// table; one that links towpath::kernels has several and takes the best that the machine it runs on can execute. Nothing here includes a
// vector library, so whoever links the kernels does not compile them.
#pragma once

#include "towpath/backend/finish.hpp"
#include "towpath/backend/reference/ops.hpp"

#include <cstdint>

namespace towpath::kernels {

// One head of one sequence of attention: n queries, l rows of prefix before the sequence's own keys, m keys in all, head width d.
template <class T>
struct Head {
  BasicView<const T> q;          // [n, d]
  BasicView<const T> k, v;       // [m - l, d]
  BasicView<const T> pk, pv;     // [l, d]
  T* stats;                      // [n] log Σ_j exp(s_j), on the kernel's own base: what backward needs to have the probabilities again
  T* kept;                       // [n, m] the probabilities themselves, where the policy is to keep them, else null
  Mask mask;
  Index mask_start;              // of the mask's element for (0, 0)
  T* scratch;                    // Attention::scratch(m, d) numbers
};

// The best of one query so far: those whose score is above `least` are appended, in ascending order of their ids; when `room` are there,
// all but the `wanted` best go, of equal ones the later, and `least` becomes the worst of those. room is larger than wanted.
template <class T>
struct Best {
  T least;
  T* scores;
  Index* ids;
  Index count, room, wanted;
};
// One way of holding vectors of width k for exact search, in strips of `strip` vectors (cpu/search.hpp). A score is in units that
// prepare() gives for each query.
template <class T>
struct Store {
  Index strip;
  Index fill;                                                         // entries of `best`: the queries, filled up to a multiple of this
  Index (*size)(Index n, Index k);                                    // bytes of a block of n vectors
  void (*put)(BasicView<const T> x, void* block, Index at);           // x becomes the vectors from `at` on
  Index (*query_size)(Index m, Index k);                              // bytes of m queries
  void (*prepare)(BasicView<const T> q, void* queries, T* units);
  // Vectors [first, last) of a block, called id and on, with m queries; `first` begins a strip.
  void (*search)(const void* queries, Index m, Index k, const void* block, Index first, Index last, Index id, Best<T>* best);
  void (*narrow)(Best<T>& best);                                      // to those wanted, as when it is full
};

// Kernels for one head.
template <class T>
struct Attention {
  Index (*scratch)(Index m, Index d);
  void (*forward)(const Head<T>& h, BasicView<T> y);
  // dpk, dpv accumulate and may be empty
  void (*backward)(const Head<T>& h, BasicView<const T> dy, BasicView<T> dq, BasicView<T> dk, BasicView<T> dv, BasicView<T> dpk, BasicView<T> dpv);
};

template <class T>
struct Table {
  const char* name;  // of the instruction set, as in Settings::isa
  int key;           // no two tables with different layouts have the same

  // --- products ----------------------------------------------------------------------------------------------------------
  // The right-hand side in tile order: `across` if it is given as [k, n], else as [n, k]. Columns come in panels of `panel`.
  Index panel;
  Index (*packed_size)(Index n, Index k);
  void (*pack)(BasicView<const T> b, bool across, Index first_panel, Index last_panel, T* to);
  // y = finish(a · packed), columns of panels [first_panel, last_panel); a [m, k], y [m, n] with all n columns
  void (*product)(BasicView<const T> a, const T* packed, Index first_panel, Index last_panel, BasicView<T> y, const Finish<T>& finish);
  // c[i, j] += Σ_t a[t, i] b[t, j] for rows [first, last) of c; scratch: tn_scratch numbers
  Index tn_scratch;
  void (*tn)(BasicView<const T> a, BasicView<const T> b, Index first, Index last, BasicView<T> c, T* scratch);

  // The same with the right-hand side in bf16 and sums in float (null for double). scratch: bf16_scratch(m, k) bytes.
  Index (*bf16_size)(Index n, Index k);  // bytes
  void (*bf16_pack)(BasicView<const T> b, bool across, Index first_panel, Index last_panel, void* to);
  void (*bf16_turn)(const void* packed, Index n, Index k, Index first_panel, Index last_panel, void* to);  // b [n, k] packed -> panels of bᵀ
  Index bf16_panel;
  Index (*bf16_scratch)(Index m, Index k);
  void (*bf16_product)(BasicView<const T> a, const void* packed, Index first_panel, Index last_panel, BasicView<T> y, const Finish<T>& finish,
                       void* scratch);

  // The same in full precision by way of bf16, where that is faster than multiplying in float (null elsewhere): see bf16.hpp, float by parts.
  Index (*split_size)(Index n, Index k);  // bytes
  void (*split_pack)(BasicView<const T> b, bool across, Index first_panel, Index last_panel, void* to);
  Index (*split_scratch)(Index m, Index k);
  void (*split_product)(BasicView<const T> a, const void* packed, Index first_panel, Index last_panel, BasicView<T> y, const Finish<T>& finish,
                        void* scratch);
  // c += aᵀ b by the same parts, up to split_tokens rows of a and b at a time: first columns [first_panel, last_panel) of each side are split,
  // into split_size(columns, tokens) bytes; then rows [i, i + m) and columns [j, j + n) of c, i and j being where panels begin.
  Index split_tokens;
  void (*split_columns)(BasicView<const T> x, bool right, Index first_panel, Index last_panel, void* to);
  void (*split_tn)(const void* left, const void* right, Index tokens, Index i, Index m, Index j, Index n, BasicView<T> c);

  // --- attention -----------------------------------------------------------------------------------------------------------
  Attention<T> attention, bf16_attention;  // the latter may round what it multiplies, as the products with weights in bf16 do

  // --- rows and elements; equations in reference/ops.hpp --------------------------------------------------------------------
  void (*add_row)(const T* b, BasicView<T> y);
  void (*add_scaled)(T s, BasicView<const T> x, BasicView<T> y);
  void (*unary)(Function f, BasicView<const T> x, BasicView<T> y, BasicView<T> slope);
  void (*unary_backward)(Function f, BasicView<const T> dy, BasicView<const T> x, BasicView<T> dx);
  void (*finish)(BasicView<T> y, const Finish<T>& finish);
  void (*layer_norm)(BasicView<const T> x, const T* gain, const T* bias, T epsilon, BasicView<const T> plus, BasicView<T> y, BasicView<T> stats);
  void (*layer_norm_backward)(BasicView<const T> dy, BasicView<const T> x, BasicView<const T> stats, const T* gain, BasicView<T> dx);
  void (*normalise)(BasicView<const T> x, BasicView<T> y, BasicView<T> norms);
  void (*dropout)(Mask mask, Index start, BasicView<T> y);
  void (*column_sums_add)(BasicView<const T> x, Index first, Index last, T* g);
  void (*adam)(const Adam& rule, std::uint64_t step, double gradient_scale, Index n, const T* g, T* m, T* v, T* w);

  // --- exact search: vectors held as they are, in bf16, in int8 (the latter two under float only) -----------------------------
  Store<T> plain, in_bf16, in_int8;
};

}  // namespace towpath::kernels
