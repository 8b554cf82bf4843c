// A steady step asks the system for nothing: what allocates is counted, between two marks.
#include "towpath/loss/info_nce.hpp"
#include "towpath/optim/adam.hpp"
#include "towpath/optim/clip.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/prefix.hpp"

#include "small.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

using namespace small;

namespace {

std::atomic<bool> counting{false};
std::atomic<long> count{0};

void* counted(std::size_t bytes, std::size_t alignment) {
  if (counting.load(std::memory_order_relaxed)) count.fetch_add(1, std::memory_order_relaxed);
  void* p =
      std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment + (bytes == 0 ? alignment : 0));
  if (!p) throw std::bad_alloc();
  return p;
}

// How often f() asks for memory, on any thread.
template <class F>
long allocations(const F& f) {
  count = 0;
  counting = true;
  f();
  counting = false;
  return count;
}

}  // namespace

// The program's own (not inlined, or the compiler finds fault with free); new[] and the variants that do not throw come here too.
[[gnu::noinline]] void* operator new(std::size_t n) { return counted(n, alignof(std::max_align_t)); }
[[gnu::noinline]] void* operator new(std::size_t n, std::align_val_t a) {
  return counted(n, static_cast<std::size_t>(a));
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace {

template <class... Methods>
using Tuned = Bert<Shape, Repeat<2, TransformerLayer<Shape, Methods...>>>;
using Full = Bert<Shape, Repeat<2, TransformerLayer<Shape, FullTuning>>, FullTuning>;

Ragged texts(const std::vector<Index>& lengths, std::uint64_t seed) {
  Random random(seed, 1);
  Ragged r;
  for (Index n : lengths) {
    std::vector<std::int32_t> ids;
    for (Index i = 0; i < n; ++i) ids.push_back(static_cast<std::int32_t>(random.below(Shape::vocabulary)));
    r.add(ids);
  }
  return r;
}
Batch batch(std::uint64_t seed) {
  return {.queries = texts({3, 5, 2, 7}, seed),
          .passages = texts({9, 12, 4, 8, 11, 6}, seed + 50),
          .positive = {0, 1, 2, 3},
          .also_relevant = {{0, 4}}};
}

// The allocations of ten steps after fifty to warm up. (The pool fetches a block at most as often as blocks of its size are in use at once, so it
// comes to rest, but not at the second step: a request may have taken a larger block than it needed, whose user then fetches one.) With
// several threads it is the fewest of a step: how many pieces of work are under way at once, each with its scratch, is a matter of chance.
template <class Arch>
long of_steps(Index threads, Index repack = Settings{}.repack) {
  using Net = typename Arch::template On<Cpu<float>>;
  Cpu<float> env{{.threads = threads, .dropout = 0.1f, .repack = repack}};
  Net model{env};
  initialise(model, 3, Fill::everything);
  typename Net::template Saved<Learn<false>> saved;
  typename Net::Grads grads;
  AdamW<Net> adam{model, Adam{.rate = 1e-3}};
  const InfoNce loss;
  long sum = 0, fewest = 1 << 30;
  for (std::uint64_t i = 0; i < 60; ++i) {
    const Batch b = batch(i);
    const long n = allocations([&] {
      zero(grads);
      const auto l = loss(model.template forward<Learn<false>>(env, b, saved));
      model.backward(env, l.gradient, b, saved, grads);
      adam.update(env, model, grads, 1, clip_factor(gradient_norm<Net>(env, grads), 1.0));
    });
    if (i == 0) CHECK(n > 0);  // it is counted at all
    if (i >= 50) sum += n, fewest = std::min(fewest, n);
  }
  return threads == 1 ? sum : fewest;
}

}  // namespace

TEST_CASE("a steady training step allocates nothing, on one thread or two") {
  for (Index threads : {1, 2}) {
    CAPTURE(threads);
    CHECK(of_steps<BiEncoder<Tuned<LoRA<2>, Adapter<3>, Prefix<2>>, MeanPooling, Cosine>>(threads) == 0);
    CHECK(of_steps<BiEncoder<Tuned<LoRA<2>>, ClsPooling, Dot>>(threads) == 0);
    CHECK(of_steps<BiEncoder<Tuned<LoRA<2>>, ClsPooling, Dot>>(threads, 0) == 0);  // weights put in order for each product
    CHECK(of_steps<BiEncoder<Full, MaxPooling, Cosine>>(threads) == 0);
  }
}

TEST_CASE("encoding batches of the same lengths allocates nothing") {
  using Net = BiEncoder<Tuned<>, MeanPooling, Cosine>::On<Cpu<float>>;
  Cpu<float> env{{.threads = 1}};
  Net model{env};
  initialise(model, 3, Fill::everything);
  for (std::uint64_t i = 0; i < 5; ++i) {
    const Ragged tokens = texts({9, 12, 4, 8, 11, 6}, i);
    const long n = allocations([&] { model.encode(env, tokens); });
    if (i == 0) CHECK(n > 0);
    else CHECK(n == 0);
  }
}
