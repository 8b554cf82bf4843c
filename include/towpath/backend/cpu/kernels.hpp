// What the CPU backend asks of an instruction set, as a table of functions on plain memory. A program compiled for one instruction set has one
// table; one that links towpath::kernels has several and takes the best that the machine it runs on can execute. Nothing here includes a
// vector library, so whoever links the kernels does not compile them.
#pragma once

#include "towpath/backend/finish.hpp"
#include "towpath/backend/reference/ops.hpp"

#include <cstdint>

namespace towpath::kernels {

// One head of one sequence of attention: n tokens, l rows of prefix, m = l + n keys, head width d.
template <class T>
struct Head {
  BasicView<const T> q, k, v;    // [n, d]
  BasicView<const T> pk, pv;     // [l, d]
  T* stats;                      // [n] log Σ_j exp(s_j): what backward needs to have the probabilities again
  T* kept;                       // [n, m] the probabilities themselves, where the policy is to keep them, else null
  Mask mask;
  Index mask_start;              // of the mask's element for (0, 0)
  T* scratch;                    // attention_scratch(n, l, d) numbers
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
  Index bf16_panel;
  Index (*bf16_scratch)(Index m, Index k);
  void (*bf16_product)(BasicView<const T> a, const void* packed, Index first_panel, Index last_panel, BasicView<T> y, const Finish<T>& finish,
                       void* scratch);

  // --- attention -----------------------------------------------------------------------------------------------------------
  Index (*attention_scratch)(Index n, Index l, Index d);
  void (*attention)(const Head<T>& h, BasicView<T> y);
  // dpk, dpv accumulate and may be empty
  void (*attention_backward)(const Head<T>& h, BasicView<const T> dy, BasicView<T> dq, BasicView<T> dk, BasicView<T> dv, BasicView<T> dpk,
                             BasicView<T> dpv);

  // --- rows and elements; equations in reference/ops.hpp --------------------------------------------------------------------
  void (*add_row)(const T* b, BasicView<T> y);
  void (*add_scaled)(T s, BasicView<const T> x, BasicView<T> y);
  void (*multiply)(BasicView<const T> a, BasicView<const T> b, BasicView<T> y);
  void (*unary)(Function f, BasicView<const T> x, BasicView<T> y, BasicView<T> slope);
  void (*unary_backward)(Function f, BasicView<const T> dy, BasicView<const T> x, BasicView<T> dx);
  void (*finish)(BasicView<T> y, const Finish<T>& finish);
  void (*layer_norm)(BasicView<const T> x, const T* gain, const T* bias, T epsilon, BasicView<const T> plus, BasicView<T> y, BasicView<T> stats);
  void (*layer_norm_backward)(BasicView<const T> dy, BasicView<const T> x, BasicView<const T> stats, const T* gain, BasicView<T> dx);
  void (*normalise)(BasicView<const T> x, BasicView<T> y, BasicView<T> norms);
  void (*dropout)(Mask mask, Index start, BasicView<T> y);
  void (*column_sums_add)(BasicView<const T> x, Index first, Index last, T* g);
  void (*adam)(const Adam& rule, std::uint64_t step, double gradient_scale, Index n, const T* g, T* m, T* v, T* w);
};

}  // namespace towpath::kernels
