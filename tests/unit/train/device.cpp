// All that a program does with a model, where the host cannot read the model's memory (../backend/emulated.hpp; on a GPU: tests/gpu).
#include "../backend/compare.hpp"
#include "pairs.hpp"
#include "small.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/train/encode.hpp"
#include "towpath/train/evaluate.hpp"
#include "towpath/train/frozen_states.hpp"
#include "towpath/train/loop.hpp"
#include "towpath/train/rerank.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace small;

namespace {

using OnCpu = Cpu<double>;
using OnDevice = compare::Device<double>;

std::string bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
template <class Env>
std::vector<double> numbers(const Tensor<Env>& t) {
  const auto here = on_host(t);
  return {here.data(), here.data() + t.size()};
}
template <class Model>
std::vector<double> trained(const Model& model) {
  std::vector<double> all;
  for (const auto& leaf : trained_leaves(model))
    for (double x : numbers(*leaf.owned)) all.push_back(x);
  return all;
}
double apart(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return 1e9;
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(a[i] - b[i]));
  return most;
}
struct Result {
  TrainState state;
  std::vector<double> weights;
};
template <class Env>
Result run(const LoopOptions& o) {
  using Model = Arch::On<Env>;
  const Triples data = triples();
  Env env({.threads = 1, .seed = 5, .dropout = 0.2f});
  Model model(env);
  initialise(model, 11, Fill::everything);
  AdamW<Model> adam(model, Adam{.rate = 1e-2, .decay = 0.01});
  Result r{train(model, env, adam, data, InfoNce{.temperature = 0.1}, o, [](const TrainState& s) { return s.epoch == 2 ? 0.1 : 0.2 + 0.1 * static_cast<double>(s.epoch); }), {}};
  r.weights = trained(model);
  return r;
}

Collection some_collection() {
  write_files();
  Collection c;
  for (int i = 0; i < 20; ++i) c.documents.add("d" + std::to_string(i), word(i) + " " + word(i + 3) + (i % 3 ? " " + word(7) : ""));
  for (int i = 0; i < 6; ++i) c.queries.add("q" + std::to_string(i), word(i) + " " + word(i + 3));
  return c;
}
bool same(const Run& a, const Run& b) {
  if (a.of.size() != b.of.size()) return false;
  for (std::size_t q = 0; q < a.of.size(); ++q) {
    if (a.of[q].size() != b.of[q].size()) return false;
    for (std::size_t i = 0; i < a.of[q].size(); ++i)
      if (a.of[q][i].document != b.of[q][i].document || std::fabs(a.of[q][i].score - b.of[q][i].score) > 1e-9) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("training on a device: the CPU's losses and weights, and a run that stops goes on to the same bits") {
  const LoopOptions whole{.epochs = 3, .warmup = 0.2};
  const Result cpu = run<OnCpu>(whole), device = run<OnDevice>(whole);
  REQUIRE(cpu.state.losses.size() == device.state.losses.size());
  for (std::size_t i = 0; i < cpu.state.losses.size(); ++i) CHECK(device.state.losses[i] == doctest::Approx(cpu.state.losses[i]).epsilon(1e-8));
  CHECK(device.state.best_at == 1);
  CHECK(apart(cpu.weights, device.weights) < 1e-6);

  LoopOptions o{.epochs = 3, .warmup = 0.2, .state = "device.safetensors", .identity = "device", .stop_after = 6};
  run<OnDevice>(o);
  o.stop_after = 0, o.resume = true;
  const Result rest = run<OnDevice>(o);
  CHECK(rest.state.losses == device.state.losses);
  CHECK(rest.weights == device.weights);
}

TEST_CASE("files: what a device writes is what the CPU writes, and reads") {
  OnCpu cpu({.threads = 1});
  OnDevice env({.threads = 1});
  Arch::On<OnCpu> there(cpu);
  Arch::On<OnDevice> model(env), other(env);
  initialise(there, 3, Fill::everything);
  initialise(model, 3, Fill::everything);
  save(there, "cpu.safetensors");
  save(model, "all.safetensors");
  CHECK(bytes("all.safetensors") == bytes("cpu.safetensors"));
  save_trainable(model, "trained.safetensors");
  load(other, Safetensors("cpu.safetensors"));
  save(other, "again.safetensors");
  CHECK(bytes("again.safetensors") == bytes("cpu.safetensors"));
  load_trainable(other, Safetensors("trained.safetensors"));
  CHECK(trained(other) == trained(model));
}

TEST_CASE("encoding, searching and re-ranking on a device") {
  const Collection c = some_collection();
  const WordPiece words("vocab.txt");
  Qrels qrels;
  for (int i = 0; i < 6; ++i) qrels.of.push_back({{i, 1}});
  OnCpu cpu({.threads = 1});
  OnDevice env({.threads = 1});
  {
    Arch::On<OnCpu> there(cpu);
    Arch::On<OnDevice> model(env);
    initialise(there, 3, Fill::everything);
    initialise(model, 3, Fill::everything);
    Pieces texts;
    for (int i = 0; i < 30; ++i) texts.add(words.pieces(word(i) + " " + word(i * 7 % 40)));
    CHECK(apart(numbers(encode_all(model, env, words, texts, {.max_length = 8, .batch_tokens = 40})), numbers(encode_all(there, cpu, words, texts, {.max_length = 8, .batch_tokens = 40}))) < 1e-12);

    Retrieval<OnDevice> search(c, words, {.query_length = 8, .document_length = 8, .depth = 5});
    Retrieval<OnCpu> exact(c, words, {.query_length = 8, .document_length = 8, .depth = 5});
    search.index(model, env);
    exact.index(there, cpu);
    CHECK(same(search.search(model, env, qrels), exact.search(there, cpu, qrels)));

    std::ofstream("texts.txt") << "wab wac\nwaa\n\nwbd wbe wbf\nwac\n";
    for (const char* path : {"cpu.npy", "device.npy"}) std::remove(path);
    const EncodeFileOptions o{.encode = {.max_length = 8, .batch_tokens = 12}, .chunk = 2};
    encode_file(model, env, words, "texts.txt", "device.npy", o);
    encode_file(there, cpu, words, "texts.txt", "cpu.npy", o);
    CHECK(apart(Npy("device.npy").values<double>(), Npy("cpu.npy").values<double>()) < 1e-12);
  }
  using Ranker = CrossEncoder<Bert<small::Shape, Repeat<2, TransformerLayer<small::Shape, LoRA<2>>>>, ClsPooling>;
  Ranker::On<OnCpu> there(cpu);
  Ranker::On<OnDevice> model(env);
  initialise(there, 3, Fill::everything);
  initialise(model, 3, Fill::everything);
  Run first;
  for (std::size_t q = 0; q < 6; ++q) {
    first.of.emplace_back();
    for (int k = 0; k < 9; ++k) first.of.back().push_back({(static_cast<Index>(q) + 2 * k) % 20, k + 1, 5.0 - k});
  }
  Reranking rerank(c, first, words, {.depth = 7, .pairs = {.max_length = 12}, .batch_tokens = 40});
  CHECK(same(rerank(model, env), rerank(there, cpu)));
}

TEST_CASE("an index on a device: the CPU's finds, ties in the order of adding, over several blocks") {
  constexpr Index n = FlatIndex<OnDevice>::block_rows + 700;  // whole numbers: products are exact, and ties many
  Random random(1, 2);
  std::vector<double> vectors(static_cast<std::size_t>(n) * 3), queries(5 * 3);
  for (auto* list : {&vectors, &queries})
    for (double& x : *list) x = static_cast<double>(random.below(9)) - 4;
  OnCpu cpu({.threads = 1});
  OnDevice env({.threads = 1});
  FlatIndex<OnCpu> exact(3);
  FlatIndex<OnDevice> index(3);
  const auto put = [](auto& to, const std::vector<double>& from, Index first, Index rows) {
    using Env = std::conditional_t<std::is_same_v<std::remove_reference_t<decltype(to)>, FlatIndex<OnCpu>>, OnCpu, OnDevice>;
    Tensor<Env> t(rows, 3);
    Env::Space::copy(t.data(), from.data() + first * 3, static_cast<std::size_t>(rows * 3) * sizeof(double));
    to.add(t);
  };
  for (const Index first : {Index{0}, Index{100}, Index{5000}}) {  // pieces, one of them across the end of a block
    const Index last = first == 0 ? 100 : first == 100 ? 5000 : n;
    put(exact, vectors, first, last - first);
    put(index, vectors, first, last - first);
  }
  CHECK(index.size() == n);
  Tensor<OnCpu> here(5, 3);
  Tensor<OnDevice> there(5, 3);
  OnCpu::Space::copy(here.data(), queries.data(), queries.size() * sizeof(double));
  OnDevice::Space::copy(there.data(), queries.data(), queries.size() * sizeof(double));
  for (const Index k : {1, 10, 300}) {
    const auto a = exact.search_all(here, k), b = index.search_all(there, k);
    REQUIRE(a.size() == b.size());
    for (std::size_t q = 0; q < a.size(); ++q) {
      REQUIRE(a[q].size() == b[q].size());
      for (std::size_t i = 0; i < a[q].size(); ++i) CHECK((a[q][i].id == b[q][i].id && a[q][i].score == b[q][i].score));
    }
  }
  CHECK(FlatIndex<OnDevice>(3).search_all(there, 4).front().empty());
  CHECK_THROWS_WITH(index.search_all(there.view().column_block(0, 2), 1), doctest::Contains("a query of width 2"));
}

TEST_CASE("frozen states kept on the host for a model on a device") {
  using Top = BiEncoder<Bert<small::Shape, Segments<Repeat<1, TransformerLayer<small::Shape>>, Repeat<1, TransformerLayer<small::Shape, LoRA<2>>>>>, MeanPooling, Cosine>;
  using Model = Top::On<OnDevice>;
  const Triples data = triples();
  const auto go = [&](bool kept) {
    OnDevice env({.threads = 1, .seed = 5});
    Model model(env);
    initialise(model, 11, Fill::everything);
    AdamW<Model> adam(model, Adam{.rate = 1e-2});
    const auto metric = [](const TrainState& s) { return static_cast<double>(s.epoch); };
    const LoopOptions o{.epochs = 2};
    if (!kept) return train(model, env, adam, data, InfoNce{.temperature = 0.1}, o, metric).losses;
    FrozenStates<Model> states(model, env, data.texts(), {});
    return train(model, env, adam, data, InfoNce{.temperature = 0.1}, o, metric, states).losses;
  };
  CHECK(go(true) == go(false));
}
