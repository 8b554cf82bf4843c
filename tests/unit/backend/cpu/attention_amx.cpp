// Attention by AMX in one part, which rounds what it multiplies to bf16; that in three parts is held to float's tolerance by attention.cpp, run on "amx".
#include "../compare.hpp"

#include <doctest/doctest.h>

using namespace towpath;
using namespace towpath::compare;

namespace {
using Half = Cpu<float, bf16>;
using Kept = Cpu<float, bf16, cpu::Probabilities::kept>;

struct Case {
  Sequences s;
  Index heads, width, prefix;
  float dropout;
  bool firsts = false;
};

template <class Env>
Outcome run(Env& env, const Case& c) {
  using Ops = typename Env::Ops;
  Draw draw(7);
  const Index n = c.s.tokens(), h = c.heads * c.width, asked = c.firsts ? c.s.count() : n;
  const Grid<float> q = draw.matrix<float>(asked, h, 1), k = draw.matrix<float>(n, h), v = draw.matrix<float>(n, h, 3), dy = draw.matrix<float>(asked, h);
  const Grid<float> pk = draw.matrix<float>(c.prefix, h), pv = draw.matrix<float>(c.prefix, h);
  Grid<float> y(asked, h, 2), dq(asked, h, 1), dk(n, h), dv(n, h, 5), dpk = draw.matrix<float>(c.prefix, h), dpv = draw.matrix<float>(c.prefix, h);
  Grid<float> saved(1, Ops::attention_saved(c.s, c.heads, c.prefix, c.firsts));
  const auto part = [&](const Grid<float>& g) { return c.prefix ? BasicView<const float>(g) : BasicView<const float>{}; };
  const auto place = [&](Grid<float>& g) { return c.prefix ? BasicView<float>(g) : BasicView<float>{}; };
  const Mask mask{c.dropout, 9, 4};
  Ops::attention(env, q, k, v, part(pk), part(pv), c.s, c.heads, mask, y, saved, c.firsts);
  Ops::attention_backward(env, dy, q, k, v, part(pk), part(pv), c.s, c.heads, mask, saved, dq, dk, dv, place(dpk), place(dpv), c.firsts);
  Outcome out;
  return out << y << dq << dk << dv << dpk << dpv;
}

double difference(const Outcome& a, const Outcome& b) {
  REQUIRE(a.numbers.size() == b.numbers.size());
  double off = 0, all = 0;
  for (std::size_t i = 0; i < a.numbers.size(); ++i) {
    off += (a.numbers[i] - b.numbers[i]) * (a.numbers[i] - b.numbers[i]);
    all += b.numbers[i] * b.numbers[i];
  }
  return std::sqrt(off / all);
}
}  // namespace

TEST_CASE("attention that rounds to bf16 is near the one that does not, the same on any number of threads, kept probabilities or not") {
  Cpu<float> exact({.threads = 1});
  Half one({.threads = 1}), three({.threads = 3});
  Kept kept({.threads = 2});
  const Sequences lengths{{0, 1, 10, 43, 43, 60, 188, 350}};  // one query to several blocks of them, and none
  for (const auto& c : {Case{lengths, 2, 32, 0, 0}, Case{lengths, 1, 64, 0, 0.2f}, Case{lengths, 2, 37, 3, 0.2f}, Case{lengths, 3, 5, 20, 0}, Case{lengths, 2, 16, 2, 0, true}}) {
    CAPTURE(c.width);
    CAPTURE(c.prefix);
    CAPTURE(c.dropout);
    const Outcome right = run(exact, c), half = run(one, c);
    CHECK(half.marks);
    // numbers of 8 bits are off by 2^-9 at most, 0.0011 in the mean; what has gone through two roundings or three by twice as much
    CHECK(difference(half, right) < 5e-3);
    CHECK(run(three, c).numbers == half.numbers);
    CHECK(difference(run(kept, c), right) < 5e-3);
    if (!c.firsts && one.kernels().bf16_attention.forward != one.kernels().attention.forward) CHECK(difference(half, right) > 1e-5);  // it does round
  }
}
