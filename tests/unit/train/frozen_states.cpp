#include "towpath/train/frozen_states.hpp"

#include "towpath/peft/lora.hpp"
#include "towpath/train/loop.hpp"

#include "small.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

using namespace small;

namespace {

using Bottom = TransformerLayer<Shape>;
using Top = TransformerLayer<Shape, LoRA<2>>;
// one segment frozen, two, none
using One = Bert<Shape, Segments<Repeat<1, Bottom>, Repeat<2, Top>>>;
using Two = Bert<Shape, Segments<Repeat<1, Bottom>, Repeat<2, TransformerLayer<Shape>>, Repeat<1, Top>>>;
using None = Bert<Shape, Repeat<2, Top>>;
static_assert(One::On<Env>::frozen_layers == 1 && Two::On<Env>::frozen_layers == 3 &&
              None::On<Env>::frozen_layers == 0);
static_assert(One::On<Env>::has_bottom && None::On<Env>::has_bottom && !small::Model::Tower::has_bottom);
static_assert(!Bert<Shape, Repeat<2, Bottom>>::On<Env>::has_bottom);  // nothing trains at all
using MeanOne = BiEncoder<One, MeanPooling, Cosine>::On<Env>;

struct Result {
  std::vector<double> losses;
  std::vector<std::vector<float>> weights;
  Index computed = 0;

  friend bool operator==(const Result& a, const Result& b) { return a.losses == b.losses && a.weights == b.weights; }
};

template <class Model, class Stored = float>
Result run(const FrozenStatesOptions* cached, Index epochs = 3, Index threads = 1, std::uint64_t weights = 11) {
  const Triples data = triples();
  Env env({.threads = threads, .seed = 5});
  Model model(env);
  initialise(model, weights, Fill::everything);
  AdamW<Model> adam(model, Adam{.rate = 1e-2, .decay = 0.01});
  const LoopOptions options{.epochs = epochs, .warmup = 0.2};
  const auto metric = [](const TrainState& s) { return static_cast<double>(s.epoch); };
  Result r;
  if (cached) {
    FrozenStates<Model, Stored> states(model, env, data.texts(), *cached);
    r.losses = train(model, env, adam, data, InfoNce{.temperature = 0.1}, options, metric, states).losses;
    r.computed = states.computed();
  } else {
    r.losses = train(model, env, adam, data, InfoNce{.temperature = 0.1}, options, metric).losses;
  }
  for (const auto& leaf : trained_leaves(model))
    r.weights.emplace_back(leaf.owned->data(), leaf.owned->data() + leaf.size());
  return r;
}

Index all_tokens() {
  const Triples data = triples();
  const TrainingTexts& texts = data.texts();
  Index n = 0;
  for (const auto& [of, most] :
       {std::pair{&texts.queries, texts.query_length}, std::pair{&texts.passages, texts.passage_length}})
    for (Index i = 0; i < of->count(); ++i) n += std::min(of->length(i) + 2, most);
  return n;
}

template <class Model>
void the_same_bits_in_memory() {
  const FrozenStatesOptions memory;
  const Result plain = run<Model>(nullptr), cached = run<Model>(&memory);
  CHECK(plain.losses.size() == 12);
  CHECK(plain.losses.front() != plain.losses.back());
  CHECK(cached == plain);
  CHECK(cached.computed <= all_tokens());
  CHECK(cached.computed == run<Model>(&memory, 1).computed);  // later epochs computed nothing
  CHECK(run<Model>(&memory, 3, 2) == plain);
}

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}
void write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

}  // namespace

TEST_CASE("training on kept states has the bits of training without, whatever is frozen and pooled") {
  the_same_bits_in_memory<MeanOne>();
  the_same_bits_in_memory<BiEncoder<Two, ClsPooling, Dot>::On<Env>>();
  the_same_bits_in_memory<BiEncoder<None, MaxPooling, Cosine>::On<Env>>();
}

TEST_CASE("a file: the same bits, and the next run computes nothing") {
  std::remove("states.bin");
  const FrozenStatesOptions file{.file = "states.bin"};
  const Result plain = run<MeanOne>(nullptr), first = run<MeanOne>(&file), second = run<MeanOne>(&file, 3, 2);
  CHECK(first == plain);
  CHECK(second == plain);
  CHECK(first.computed > 0);
  CHECK(second.computed == 0);
  CHECK(::access("states.bin.partial", F_OK) != 0);
  std::remove("states.bin");
}

TEST_CASE(
    "a file of something else, of another model, or cut short is refused and left alone; what a killed run left is "
    "made anew") {
  std::remove("states.bin");
  const FrozenStatesOptions file{.file = "states.bin"};
  const Result plain = run<MeanOne>(&file);
  const std::string whole = read("states.bin");
  CHECK_THROWS_WITH(run<MeanOne>(&file, 1, 1, 12),
                    doctest::Contains("they are of other weights, other texts or other kernels"));
  CHECK(read("states.bin") == whole);
  CHECK_THROWS_WITH((run<MeanOne, bf16>(&file)), doctest::Contains("they are of other weights"));
  write("states.bin", whole.substr(0, whole.size() - 64));
  CHECK_THROWS_WITH(run<MeanOne>(&file),
                    doctest::Contains(("bytes instead of " + std::to_string(whole.size())).c_str()));
  write("states.bin", "my thesis");
  CHECK_THROWS_WITH(run<MeanOne>(&file), doctest::Contains("it holds something else"));
  CHECK(read("states.bin") == "my thesis");
  std::remove("states.bin");
  write("states.bin.partial", whole.substr(0, 5000) + std::string(3000, '\1'));
  const Result again = run<MeanOne>(&file);
  CHECK(again == plain);
  CHECK(again.computed == plain.computed);
  std::remove("states.bin");
  CHECK_THROWS_WITH(
      run<MeanOne>(
          std::make_unique<FrozenStatesOptions>(FrozenStatesOptions{.file = "no/such/folder/states.bin"}).get()),
      doctest::Contains("cannot write no/such/folder/states.bin"));
}

TEST_CASE("one file serves one run at a time") {
  std::remove("states.bin");
  const Triples data = triples();
  Env env({.threads = 1});
  MeanOne model(env);
  initialise(model, 11, Fill::everything);
  {
    const FrozenStates<MeanOne> states(model, env, data.texts(), {.file = "states.bin"});
    CHECK_THROWS_WITH((FrozenStates<MeanOne>(model, env, data.texts(), {.file = "states.bin"})),
                      doctest::Contains("Another run may be using it"));
  }
  std::remove("states.bin");
}

TEST_CASE("the size is said first, and refused where there is no such room") {
  const Triples data = triples();
  Env env({.threads = 1});
  MeanOne model(env);
  initialise(model, 11, Fill::everything);
  std::FILE* const out = std::tmpfile();
  const FrozenStates<MeanOne> states(model, env, data.texts(), {.say = out});
  std::rewind(out);
  char line[256] = {};
  CHECK(std::fgets(line, sizeof line, out) == line);
  std::fclose(out);
  const auto texts = data.texts().queries.count() + data.texts().passages.count();
  CHECK(std::string(line) == "states of " + std::to_string(texts) + " texts, " + std::to_string(all_tokens()) +
                                 " tokens, after the embeddings and 1 of 3 layers: at most 1 MB in memory\n");
  const auto numbers = static_cast<std::size_t>(all_tokens() * Shape::hidden);
  CHECK(states.bytes() >= 4 * numbers);
  CHECK(states.bytes() < 4 * numbers + 5000);
  CHECK_THROWS_WITH((FrozenStates<MeanOne>(model, env, data.texts(), {.most = 1000})),
                    doctest::Contains("1 MB in memory: there are 0 MB"));
  CHECK(FrozenStates<MeanOne, bf16>(model, env, data.texts()).bytes() < 2 * numbers + 5000);
}

TEST_CASE("states in bf16 are rounded: losses near those without") {
  const FrozenStatesOptions memory;
  const Result plain = run<MeanOne>(nullptr), rounded = run<MeanOne, bf16>(&memory);
  CHECK(rounded.losses != plain.losses);
  for (std::size_t i = 0; i < plain.losses.size(); ++i)
    CHECK(rounded.losses[i] == doctest::Approx(plain.losses[i]).epsilon(0.05));
}

TEST_CASE("dropout, a batch that does not say its texts and one of other texts are refused") {
  const Triples data = triples();
  Env env({.threads = 1, .dropout = 0.1f});
  MeanOne model(env);
  initialise(model, 11, Fill::everything);
  CHECK_THROWS_WITH((FrozenStates<MeanOne>(model, env, data.texts())),
                    doctest::Contains("frozen states cannot be kept with dropout"));
  env.dropout(0);
  FrozenStates<MeanOne> states(model, env, data.texts());
  MeanOne::Saved<Learn<false>> saved;
  Batch batch = data.epoch(0).batch(0);
  batch.passage_rows[0] = data.texts().passages.count();
  CHECK_THROWS_WITH(states.forward<Learn<false>>(model, env, batch, saved),
                    doctest::Contains("this batch is of other texts"));
  batch.passage_rows.clear();
  CHECK_THROWS_WITH(states.forward<Learn<false>>(model, env, batch, saved),
                    doctest::Contains("does not say which texts it holds"));
  env.dropout(0.1f);
  CHECK_THROWS_WITH(states.forward<Learn<false>>(model, env, data.epoch(0).batch(0), saved),
                    doctest::Contains("with dropout"));
}
