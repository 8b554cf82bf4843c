#include "towpath/backend/cuda/environment.hpp"

#define TOWPATH_TEST_OPS_HERE  // this program has no file that holds them
#include "../../ir/batches.hpp"
#include "../compare.hpp"
#include "towpath/optim/adam.hpp"
#include "towpath/optim/clip.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"
#include "towpath/peft/prefix.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <vector>

// The same architectures, unchanged, on kernels of CUDA: losses, gradients and weights of three steps are those of the CPU.
using namespace towpath;

namespace {
struct Trace {
  std::vector<double> losses, numbers;
};
template <class Arch, class Env>
Trace three_steps() {
  using Net = typename Arch::template On<Env>;
  Env env{{.threads = 1, .seed = 5, .dropout = 0.1f}};
  Net model{env};
  initialise(model, 11, Fill::everything);
  AdamW<Net> adam(model, Adam{.rate = 1e-2, .decay = 0.01});
  typename Net::template Saved<Learn<false>> saved;
  typename Net::Grads grads;
  Trace trace;
  const auto keep = [&](View<Env> v) {
    const OnHost<typename Env::Scalar, typename Env::Space> here(v);
    trace.numbers.insert(trace.numbers.end(), here.data(), here.data() + v.size());
  };
  for (std::uint64_t step = 0; step < 3; ++step) {
    const Batch batch = some_batch({3, 1, 5}, {7, 2, 9, 40 % Small::positions}, step + 1);
    zero(grads);
    const auto l = InfoNce{.temperature = 0.2}(model.forward(env, batch, saved));
    model.backward(env, l.gradient, batch, saved, grads);
    trace.losses.push_back(l.value);
    for (const auto* g : tensors<Net>(grads)) keep(*g);
    adam.update(env, model, grads, 1.0, clip_factor(gradient_norm<Net>(env, grads), 1.0));
  }
  for (const auto& leaf : trained_leaves(model)) keep(leaf.view());
  return trace;
}
template <class Arch, class Env>
void equal(const Trace& cpu, double tolerance) {
  const Trace cuda = three_steps<Arch, Env>();
  REQUIRE(cpu.numbers.size() == cuda.numbers.size());
  for (std::size_t i = 0; i < 3; ++i) CHECK(cuda.losses[i] == doctest::Approx(cpu.losses[i]).epsilon(tolerance));
  double worst = 0;
  for (std::size_t i = 0; i < cpu.numbers.size(); ++i) worst = std::max(worst, std::fabs(cpu.numbers[i] - cuda.numbers[i]) / (1e-3 + std::fabs(cpu.numbers[i])));
  CHECK(worst < 1e3 * tolerance);  // AdamW divides by the square root of what may be nearly nothing
}
template <class Arch>
void as_on_the_cpu() {
  const Trace cpu = three_steps<Arch, Cpu<double>>();
#if defined(__CUDACC__)
  equal<Arch, Cuda<double>>(cpu, 1e-9);
  equal<Arch, Cuda<float>>(cpu, 1e-4);
  equal<Arch, Cuda<bf16>>(cpu, 2e-2);
#else
  equal<Arch, compare::Emulated<double>>(cpu, 1e-9);
#endif
}
}  // namespace

TEST_CASE("modules inside and a pathway outside, with dropout") {
  as_on_the_cpu<BiEncoder<Bert<Small, Repeat<2, TransformerLayer<Small, Prefix<2>, LoRA<2>, Adapter<4>, Pathway<Aside<4>>>>>, MeanPooling, Cosine>>();
}
TEST_CASE("full fine-tuning, embeddings too, from the first token") {
  as_on_the_cpu<BiEncoder<Bert<Small, Repeat<2, TransformerLayer<Small, FullTuning>>, FullTuning>, ClsPooling, Cosine>>();
}
