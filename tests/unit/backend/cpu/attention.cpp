// Attention of backend/cpu/cpu.hpp: by itself, because it is half of what there is to compile.
#include "../compare.hpp"

#include <doctest/doctest.h>

using namespace towpath;
using namespace towpath::compare;

namespace {
void attention(const Sequences& s, Index heads, Index width, Index prefix, float dropout, Index padding, bool prefix_trains = true,
               bool firsts = false) {
  CAPTURE(heads);
  CAPTURE(width);
  CAPTURE(prefix);
  CAPTURE(dropout);
  same([&](auto& env) {
    using T = ScalarOf<decltype(env)>;
    using Ops = OpsOf<decltype(env)>;
    Draw draw(5);
    const Index n = s.tokens(), h = heads * width;
    const Index asked = firsts ? s.count() : n;
    const Grid<T> q = draw.matrix<T>(asked, h, padding), k = draw.matrix<T>(n, h, padding + 1), v = draw.matrix<T>(n, h, padding);
    const Grid<T> pk = draw.matrix<T>(prefix, h), pv = draw.matrix<T>(prefix, h), dy = draw.matrix<T>(asked, h, padding);
    Grid<T> y(asked, h, padding), dq(asked, h, padding), dk(n, h, padding), dv(n, h, padding);
    Grid<T> saved(1, Ops::attention_saved(s, heads, prefix, firsts)), dpk = draw.matrix<T>(prefix, h), dpv = draw.matrix<T>(prefix, h);
    using V = View<std::remove_reference_t<decltype(env)>>;
    using W = Writable<std::remove_reference_t<decltype(env)>>;
    const Mask mask{dropout, 9, 4};
    const V keys = prefix ? V(pk) : V(), values = prefix ? V(pv) : V();
    const bool wanted = prefix && prefix_trains;
    Ops::attention(env, q, k, v, keys, values, s, heads, mask, y, saved, firsts);
    Ops::attention_backward(env, dy, q, k, v, keys, values, s, heads, mask, saved, dq, dk, dv, wanted ? W(dpk) : W(),
                            wanted ? W(dpv) : W(), firsts);
    Outcome out;
    return out << y << dq << dk << dv << dpk << dpv;
  });
}
const Sequences several{{0, 1, 3, 10, 43}}, with_an_empty_one{{0, 0, 2, 2, 9, 9}};
}  // namespace

TEST_CASE("attention, forward and backward, equals the loops: lengths 1, 2, 7, 33, prefix or none, dropout or none") {
  for (const Index prefix : {0, 3})
    for (const float dropout : {0.0f, 0.3f}) {
      attention(several, 2, 8, prefix, dropout, 0);
      attention(several, 3, 5, prefix, dropout, 7);
      attention(several, 1, 37, prefix, dropout, 0);
      attention(with_an_empty_one, 2, 4, prefix, dropout, 1);
    }
}

TEST_CASE("attention over nothing, one token, and many sequences in several pieces") {
  attention(Sequences{{0}}, 2, 4, 0, 0, 0);
  attention(Sequences{{0, 0}}, 2, 4, 3, 0, 0);
  attention(Sequences{{0, 1}}, 1, 1, 0, 0, 0);
  Sequences many;
  for (Index i = 0; i < 50; ++i) many.offsets.push_back(many.offsets.back() + i % 6);
  attention(many, 4, 8, 0, 0.1f, 0);
  attention(many, 4, 8, 2, 0.1f, 0);
}

TEST_CASE("a prefix that does not train has no gradient to write to") { attention(several, 2, 8, 3, 0.3f, 0, false); }

TEST_CASE("one query for each sequence, its first token's") {
  for (const Index prefix : {0, 3})
    for (const float dropout : {0.0f, 0.3f}) {
      attention(several, 2, 8, prefix, dropout, 3, true, true);
      attention(with_an_empty_one, 3, 5, prefix, dropout, 0, true, true);
    }
}

TEST_CASE("more queries than fit in one block, and probabilities that were kept instead of computed again") {
  const Sequences s{{0, 150, 151, 280}};
  attention(s, 2, 32, 0, 0.2f, 0);
  Draw draw(2);
  const Grid<float> q = draw.matrix<float>(280, 64), k = draw.matrix<float>(280, 64), v = draw.matrix<float>(280, 64), dy = draw.matrix<float>(280, 64);
  const auto run = [&](auto& env) {
    using Ops = OpsOf<decltype(env)>;
    Grid<float> y(280, 64), dq(280, 64), dk(280, 64), dv(280, 64), saved(1, Ops::attention_saved(s, 2, 0));
    Ops::attention(env, q, k, v, {}, {}, s, 2, Mask{}, y, saved);
    Ops::attention_backward(env, dy, q, k, v, {}, {}, s, 2, Mask{}, saved, dq, dk, dv, {}, {});
    Outcome out;
    return out << y << dq << dk << dv;
  };
  Cpu<float> again({.threads = 2});
  Cpu<float, float, cpu::Probabilities::kept> kept({.threads = 2});
  CHECK(close(run(kept), run(again), 1e-5));
}
