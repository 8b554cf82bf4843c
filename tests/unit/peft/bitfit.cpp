#include "towpath/peft/bitfit.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

using namespace towpath;

TEST_CASE("gradients of biases, in the layers, in the embeddings, in both") {
  CHECK_GRADIENTS(SmallBert<BitFit>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<>, BitFit>);  // nothing trains above the embeddings
  CHECK_GRADIENTS(Bert<Small, SmallStack<BitFit>, BitFit>);
}

TEST_CASE("BitFit starts at the backbone, bit for bit") {
  CHECK(starts_at_the_backbone<Bert<Small, SmallStack<BitFit>, BitFit>>());
}

TEST_CASE("BitFit trains every bias, and nothing else") {
  Names biases;
  for (const auto& name : names_of<SmallBert<>>(true))
    if (name.ends_with(".bias")) biases.push_back(name);
  CHECK(names_of<Bert<Small, SmallStack<BitFit>, BitFit>>() == biases);
  CHECK(biases.size() == 1 + 2 * 8);
}
