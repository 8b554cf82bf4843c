#include "towpath/backend/cuda/attention.hpp"

#include "../compare.hpp"

#include <doctest/doctest.h>

// Lengths, prefixes, dropout and single queries stand beside the CPU's attention in ../cpu/attention.cpp. Here: more rows than a tile has, by
// several threads who share what one of them has loaded.
using namespace towpath;
using namespace towpath::compare;

TEST_CASE("a team, more queries and keys than fit in a tile, a prefix and dropout") {
  const Sequences s{{0, 1, 1, 71, 75}};
  const auto run = [&](auto& env) {
    using Ops = OpsOf<decltype(env)>;
    Draw draw(8);
    const Index h = 2 * 6, n = s.tokens(), l = 3;
    const Grid<double> q = draw.matrix<double>(n, h), k = draw.matrix<double>(n, h), v = draw.matrix<double>(n, h), pk = draw.matrix<double>(l, h),
                       pv = draw.matrix<double>(l, h), dy = draw.matrix<double>(n, h);
    Grid<double> y(n, h), dq(n, h), dk(n, h), dv(n, h), dpk = draw.matrix<double>(l, h), dpv = draw.matrix<double>(l, h), saved(1, Ops::attention_saved(s, 2, l));
    const Mask mask{0.2f, 3, 1};
    Ops::attention(env, q, k, v, pk, pv, s, 2, mask, y, saved);
    Ops::attention_backward(env, dy, q, k, v, pk, pv, s, 2, mask, saved, dq, dk, dv, dpk, dpv);
    Outcome out;
    return out << y << dq << dk << dv << dpk << dpv;
  };
  CHECK(close(run(emulated<double, 3>()), run(compare::reference()), tolerance::same_in_double));
}

TEST_CASE("shared memory of a block: heads of 64 fit into what every GPU has") {
  CHECK(cuda::Attention<float>::room(64) * 4 <= 48 * 1024);
  CHECK(cuda::AttentionKeys<float>::room(64) * 4 <= 99 * 1024);  // compute capability 8.6 and above, after asking
}
