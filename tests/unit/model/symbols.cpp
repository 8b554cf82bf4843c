// What the object file holds: no backward of the frozen layers below the lowest that trains. The test reads the symbols of its own
// program, so its types occur nowhere else.
// Nothing is inlined here, so whatever was instantiated has a symbol.
#if defined(__clang__)
#pragma clang optimize off
#elif defined(__GNUC__)
#pragma GCC optimize("O0")
#endif

#include "small.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"

#include <cstdio>
#include <doctest/doctest.h>
#include <string>
#include <unistd.h>
#include <vector>

using namespace towpath;

struct FrozenBelow : Small {};
struct TunedAbove : Small {};
struct OnlyAside : Small {};

namespace {

// The mangled names of this program's functions that contain all of `with` and none of `without`.
int symbols(const std::vector<std::string>& with, const std::vector<std::string>& without) {
  std::FILE* pipe = popen(("nm /proc/" + std::to_string(getpid()) + "/exe 2>/dev/null").c_str(), "r");
  if (!pipe) return -1;
  int found = 0, all = 0;
  std::string line;
  for (int c; (c = std::fgetc(pipe)) != EOF;) {
    if (c != '\n') {
      line += static_cast<char>(c);
      continue;
    }
    ++all;
    bool fits = true;
    for (const auto& w : with) fits &= line.find(w) != std::string::npos;
    for (const auto& w : without) fits &= line.find(w) == std::string::npos;
    found += fits;
    line.clear();
  }
  return pclose(pipe) == 0 && all > 0 ? found : -1;
}

template <class Arch>
double step(Cpu<double>& env) {
  using Net = typename Arch::template On<Cpu<double>>;
  Net model;
  randomise(model, 1);
  typename Net::template Saved<Learn<false>> saved;
  typename Net::Grads grads;
  const Ragged tokens = some_tokens({3, 4});
  const auto y = model.template forward<Learn<false>>(env, tokens, saved);
  model.template backward<Learn<false>>(env, y, tokens, saved, grads);
  double sum = 0;
  for (const auto* g : tensors<Net>(grads)) sum += op::square_norm<Cpu<double>>(env, *g);
  return sum;
}

}  // namespace

TEST_CASE("frozen layers below the lowest trained one have no backward in the program") {
  Cpu<double> env{{.threads = 1}};
  using Below = Repeat<2, TransformerLayer<FrozenBelow>>;
  using Above_ = Repeat<2, TransformerLayer<TunedAbove, LoRA<2>>>;
  CHECK(step<Bert<Small, Segments<Below, Above_>>>(env) > 0);
  CHECK(step<Bert<Small, Repeat<2, TransformerLayer<OnlyAside>>, Pathway<Aside<2>>>>(env) > 0);
  if (symbols({"main"}, {}) <= 0) return;  // no nm here, or a program without symbols
  CHECK(symbols({"8backward", "TunedAbove"}, {"FrozenBelow"}) > 0);
  CHECK(symbols({"8backward", "FrozenBelow"}, {"TunedAbove"}) == 0);
  CHECK(symbols({"7forward", "FrozenBelow"}, {"TunedAbove"}) > 0);
  // IAA-M without inside modules: Beside<stack, branch> has a backward, the stack itself has none.
  CHECK(symbols({"8backward", "TransformerLayer", "OnlyAside"}, {"Beside", "Bert"}) == 0);
}
