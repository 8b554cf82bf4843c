// Bert's names, its message without weights, recomputation against remembering. (Gradients: bert.cpp.)
#include "small.hpp"
#include "towpath/nn/rehearse.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
template <class Arch>
std::string complaint() {
  using Env = Cpu<float>;
  Env env{{.threads = 1}};
  typename Arch::template On<Env> model;
  initialise(model, 1);
  try {
    encoding(env, model, some_tokens({2, 3}));
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}
}  // namespace

TEST_CASE("names are those of transformers' BertModel") {
  Names expected{"embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight", "embeddings.token_type_embeddings.weight",
                 "embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias"};
  for (const char* n : {"0", "1"})
    for (const char* part : {"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
                             "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"})
      for (const char* leaf : {"weight", "bias"}) expected.push_back(std::string("encoder.layer.") + n + "." + part + "." + leaf);
  CHECK(names_of<SmallBert<>>(true) == expected);
  CHECK(names_of<Bert<Small, Segments<Repeat<1, TransformerLayer<Small>>, Repeat<1, TransformerLayer<Small>>>>>(true) == expected);
}

TEST_CASE("a model without weights says so, and what to do") {
  CHECK(complaint<SmallBert<LoRA<2>>>() ==
        "this model has no weights yet: \"embeddings.word_embeddings.weight\" was never filled. Call load(model, Safetensors{…}) first, or "
        "initialise(model, seed, Fill::everything) to start from nothing");
  CHECK(complaint<Bert<Small, SmallStack<LoRA<2>>, BitFit>>().find("\"embeddings.word_embeddings.weight\" was never filled") != std::string::npos);
  CHECK(complaint<Bert<Small, SmallStack<FullTuning>, LayerNormTuning>>().find("\"embeddings.word_embeddings.weight\"") != std::string::npos);
}

TEST_CASE("so it does if its embeddings are its own and its layers were never filled") {
  CHECK(complaint<Bert<Small, SmallStack<>, FullTuning>>().find("\"encoder.layer.0.attention.self.query.weight\" was never filled") !=
        std::string::npos);
  CHECK(complaint<Bert<Small, SmallStack<BitFit>, FullTuning>>().find("\"encoder.layer.0.attention.self.query.weight\" was never filled") !=
        std::string::npos);
}

TEST_CASE("layers that are computed twice give the same bits, with dropout") {
  using Env = Cpu<float>;
  using Once = SmallBert<Adapter<2>>;
  using Twice = Bert<Small, Repeat<2, Checkpoint<TransformerLayer<Small, Adapter<2>>>>>;
  Env env{{.threads = 1, .dropout = 0.3f}};
  Once::On<Env> once;
  Twice::On<Env> twice;
  randomise(once, 1);
  randomise(twice, 1);
  const Ragged tokens = some_tokens({3, 8});
  Once::On<Env>::Saved<Learn<false>> kept;
  Twice::On<Env>::Saved<Learn<false>> little;
  Once::On<Env>::Grads a;
  Twice::On<Env>::Grads b;
  env.position(7);
  const Tensor<Env> y = once.forward<Learn<false>>(env, tokens, kept);
  once.backward<Learn<false>>(env, y, tokens, kept, a);
  env.position(7);
  const Tensor<Env> z = twice.forward<Learn<false>>(env, tokens, little);
  const auto after = env.position();
  twice.backward<Learn<false>>(env, z, tokens, little, b);
  CHECK(same_bits(y, z));
  CHECK(env.position() == after);
  const auto g = tensors<Once::On<Env>>(a), h = tensors<Twice::On<Env>>(b);
  REQUIRE(g.size() == h.size());
  for (std::size_t i = 0; i < g.size(); ++i) CHECK(same_bits(*g[i], *h[i]));
}

TEST_CASE("a Saved is reusable: a second step gives what a fresh one gives") {
  using Env = Cpu<float>;
  using Net = SmallBert<LoRA<2>, Adapter<2>>::On<Env>;
  Env env{{.threads = 1}};
  Net model;
  randomise(model, 1);
  Net::Saved<Learn<false>> used, fresh;
  Net::Grads a, b;
  const Ragged first = some_tokens({9, 2, 1}), second = some_tokens({4, 4}, 6);
  model.forward<Learn<false>>(env, first, used);
  const Tensor<Env> y = model.forward<Learn<false>>(env, second, used);
  model.backward<Learn<false>>(env, y, second, used, a);
  const Tensor<Env> z = model.forward<Learn<false>>(env, second, fresh);
  model.backward<Learn<false>>(env, z, second, fresh, b);
  const auto g = tensors<Net>(a), h = tensors<Net>(b);
  for (std::size_t i = 0; i < g.size(); ++i) CHECK(same_bits(*g[i], *h[i]));
  CHECK_THROWS_WITH_AS(model.backward<Learn<false>>(env, z, second, fresh, b), doctest::Contains("Call forward again"), Error);  // it is used up
  model.forward<Learn<false>>(env, second, fresh);
  model.backward<Learn<false>>(env, z, second, fresh, b);  // gradients accumulate
  for (std::size_t i = 0; i < g.size(); ++i)
    for (Index k = 0; k < g[i]->size(); ++k) CHECK(h[i]->data()[k] == doctest::Approx(2 * g[i]->data()[k]).epsilon(1e-5));
}
