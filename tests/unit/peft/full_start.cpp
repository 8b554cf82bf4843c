// What FullTuning flips, and Freeze. (Gradients: full.cpp.)
#include "../model/small.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"

#include <doctest/doctest.h>

using namespace towpath;

TEST_CASE("tuning what is there starts at the backbone, bit for bit") {
  CHECK(starts_at_the_backbone<Bert<Small, SmallStack<FullTuning>, FullTuning>>());
}

TEST_CASE("it trains every parameter, and without it none does") {
  CHECK(names_of<Bert<Small, SmallStack<FullTuning>, FullTuning>>() == names_of<SmallBert<>>(true));
  CHECK(names_of<SmallBert<>>().empty());
}

TEST_CASE("a frozen architecture has the same parameters under the same names, and none that trains") {
  using Tuned = SmallBert<LoRA<2>, BitFit>;
  CHECK(names_of<Freeze<Tuned>>(true) == names_of<Tuned>(true));
  CHECK(names_of<Freeze<Tuned>>().empty());
  CHECK(parameters<Freeze<Tuned>>().total == parameters<Tuned>().total);
  CHECK(parameters<Freeze<Tuned>>().trainable == 0);
}

TEST_CASE("a frozen architecture says what the tuned one said") {
  using Env = Cpu<float>;
  using Tuned = SmallBert<LoRA<2>, BitFit>;
  Env env{{.threads = 1}};
  Tuned::On<Env> tuned;
  Freeze<Tuned>::On<Env> frozen;
  randomise(tuned, 1);
  randomise(frozen, 1);
  const Ragged tokens = some_tokens({3, 8, 1});
  CHECK(same_bits(encoding(env, tuned, tokens), encoding(env, frozen, tokens)));
}

TEST_CASE("gradients above a frozen part") {
  using Bottom = Repeat<1, Freeze<TransformerLayer<Small, LoRA<2>>>>;
  CHECK_GRADIENTS(Bert<Small, Segments<Bottom, Repeat<1, TransformerLayer<Small, LoRA<2>>>>>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<LoRA<2>>, Pathway<Aside<2>>>);
}
