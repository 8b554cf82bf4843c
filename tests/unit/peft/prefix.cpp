#include "towpath/peft/prefix.hpp"

#include "towpath/peft/adapter.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/merge.hpp"
#include "towpath/peft/prompt.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
template <Index first, class... Methods>
using From = Bert<Small, SmallStack<>, PositionsFrom<first>, Methods...>;
static_assert(!From<3>::trains && parameters<From<3>>().total == parameters<SmallBert<>>().total);
static_assert(
    std::is_same_v<Merged<Bert<Small, SmallStack<LoRA<2>>, PositionsFrom<3>, BitFit>>, From<3>>);  // the others go
}  // namespace

TEST_CASE("gradients of prefixes") {
  CHECK_GRADIENTS(SmallBert<Prefix<1>>);
  CHECK_GRADIENTS(SmallBert<Prefix<5>>);
  CHECK_GRADIENTS_DROPPED(SmallBert<Prefix<3>>);
  CHECK_GRADIENTS(SmallBert<Prefix<2>, LoRA<2, at::Query, at::Key, at::Value>>);
  CHECK_GRADIENTS(SmallBert<Prefix<2>, Adapter<3, at::BesideFfn>>);  // MAM
}

TEST_CASE("names: prefix_key and prefix_value of each layer's attention") {
  CHECK(names_of<SmallBert<Prefix<2>>>() ==
        Names{"encoder.layer.0.attention.self.prefix_key", "encoder.layer.0.attention.self.prefix_value",
              "encoder.layer.1.attention.self.prefix_key", "encoder.layer.1.attention.self.prefix_value"});
}

TEST_CASE("even a prefix of zeros takes a share of the softmax") { CHECK(!starts_at_the_backbone<SmallBert<Prefix<2>>>()); }

TEST_CASE("a prefix is seen as if it were more keys and values, the same for every sequence") {
  using Env = Cpu<float>;
  Env env{{.threads = 1}};
  SmallBert<Prefix<3>>::On<Env> model;
  randomise(model, 1);
  const Tensor<Env> one = encoding(env, model, some_tokens({4})), two = encoding(env, model, some_tokens({4, 6}));
  for (Index i = 0; i < one.size(); ++i) CHECK(one.data()[i] == doctest::Approx(two.data()[i]).epsilon(1e-5));
}

TEST_CASE("gradients where positions begin later, in the position table and in a prompt that stands there") {
  CHECK_GRADIENTS(From<3, FullTuning>);
  CHECK_GRADIENTS(From<1, FullTuning, Prompt<2>>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<Prefix<3>>, PositionsFrom<3>>);
}

TEST_CASE("positions from n on are those of a table without its first n rows, before a prompt too") {
  using Env = Cpu<float>;
  Env env{{.threads = 1}};
  const auto shifted = [&](auto plain, auto model) {
    constexpr Index n = 3;
    randomise(plain, 3), randomise(model, 3);
    Tensor<Env> cut(Small::positions, Small::hidden);
    const View<Env> table = model.embeddings.position;
    for (Index i = 0; i < cut.size() - n * Small::hidden; ++i) cut.data()[i] = table.data[i + n * Small::hidden];
    plain.embeddings.position.refer(std::move(cut));
    const Ragged tokens = some_tokens({3, 7, 1});
    return same_bits(encoding(env, plain, tokens), encoding(env, model, tokens));
  };
  CHECK(shifted(SmallBert<>::On<Env>{}, From<3>::On<Env>{}));
  CHECK(shifted(Bert<Small, SmallStack<>, Prompt<2>>::On<Env>{}, From<3, Prompt<2>>::On<Env>{}));
}

TEST_CASE("positions from n on leave n tokens less for a text") {
  using Env = Cpu<float>;
  Env env{{.threads = 1}};
  From<3>::On<Env> model;
  randomise(model, 1);
  CHECK(encoding(env, model, some_tokens({9})).rows() == 9);
  CHECK_THROWS_WITH_AS(encoding(env, model, some_tokens({10})), doctest::Contains("10 tokens from position 3 on"),
                       Error);
}
