// Encoding and LoRA steps with oneDNN's products and without, 16 texts of 128 tokens: the same bits first, then timed in turns.
//   bench_steps_onednn [threads] [rounds] [minilm | bert-base]     tokens/s, median of the rounds
#include <towpath/backend/onednn/onednn.hpp>
#include <towpath/towpath.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <memory>
#include <string_view>
#include <vector>

using namespace towpath;

namespace {

Batch batch() {
  Random r(3, 1);
  Batch b;
  const auto add = [&](Ragged& to) {
    std::vector<std::int32_t> ids;
    for (Index t = 0; t < 128; ++t) ids.push_back(static_cast<std::int32_t>(1000 + r.below(20000)));
    to.add(ids);
  };
  for (Index i = 0; i < 4; ++i) add(b.queries), b.positive.push_back(i);
  for (Index i = 0; i < 12; ++i) add(b.passages);
  return b;
}

// One side: a model on an environment, and what it is asked to do.
struct Side {
  const char* name;
  std::function<double()> step;  // the loss
  std::function<std::vector<float>()> encode;
};

template <class Env, class Shape>
Side side(const char* name, Settings settings) {
  using Encoder = Bert<Shape, Repeat<Shape::layers, TransformerLayer<Shape, LoRA<8>>>>;
  using Model = typename BiEncoder<Encoder, MeanPooling, Cosine>::template On<Env>;
  struct All {
    Env env;
    Model model{env};
    typename Model::template Saved<Learn<false>> saved;
    typename Model::Grads grads;
    AdamW<Model> adam{model, Adam{.rate = 1e-5}};
    Batch b = batch();
    explicit All(Settings s) : env(s) {}
  };
  auto all = std::make_shared<All>(settings);
  initialise(all->model, 1, Fill::everything);
  return {name,
          [all] {
            zero(all->grads);
            const auto l = InfoNce{}(all->model.forward(all->env, all->b, all->saved));
            all->model.backward(all->env, l.gradient, all->b, all->saved, all->grads);
            all->adam.update(all->env, all->model, all->grads);
            return static_cast<double>(l.value);
          },
          [all] {
            const auto v = all->model.encode(all->env, all->b.passages);
            return std::vector<float>(v.data(), v.data() + v.size());
          }};
}

double seconds(const std::function<void()>& f) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  f();
  return std::chrono::duration<double>(Clock::now() - start).count();
}
double median(std::vector<double>& v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

template <class Shape>
bool beside(const char* shape, Index threads, int rounds) {
  // the second keeps both orders of each weight, as OneDnn does
  const Side sides[] = {
      side<Cpu<float, bf16>, Shape>("Cpu<float, bf16>", {.threads = threads}),
      side<Cpu<float, bf16>, Shape>("the same, .repack = 1 << 30", {.threads = threads, .repack = 1 << 30}),
      side<OneDnn, Shape>("OneDnn", {.threads = threads})};
  const auto vectors = sides[0].encode();
  const double loss = sides[0].step();
  if (sides[1].encode() != vectors || sides[2].encode() != vectors || sides[1].step() != loss ||
      sides[2].step() != loss) {
    std::fprintf(stderr, "%s: embeddings or losses differ\n", shape);
    return false;
  }
  constexpr std::size_t all = std::size(sides);
  std::vector<double> steps[all], encodings[all];
  for (int round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < all; ++i) {
      const std::size_t k = (i + static_cast<std::size_t>(round)) % all;
      steps[k].push_back(seconds([&] { sides[k].step(); }));
      encodings[k].push_back(seconds([&] { sides[k].encode(); }));
    }
  for (std::size_t i = 0; i < all; ++i) {
    const double e = median(encodings[i]), s = median(steps[i]);
    std::printf("| %s | %s | %.0f | %.2f | %.0f | %.2f |\n", shape, sides[i].name, 12 * 128 / e,
                median(encodings[0]) / e, 16 * 128 / s, median(steps[0]) / s);
  }
  std::fflush(stdout);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const Index threads = argc > 1 ? std::atol(argv[1]) : 2;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 9;
  const std::string_view which = argc > 3 ? argv[3] : "";
  std::printf(
      "%ld threads, medians of %d\n| model | environment | encode, tokens/s | times | LoRA step, tokens/s | times "
      "|\n|---|---|---|---|---|---|\n",
      static_cast<long>(threads), rounds);
  if (which != "bert-base" && !beside<MiniLM>("MiniLM", threads, rounds)) return 1;
  if (which != "minilm" && !beside<BertBase>("BERT-base", threads, rounds)) return 1;
}
