#include "towpath/peft/layer_norm_tuning.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

using namespace towpath;

TEST_CASE("gradients of norms, in the layers and in the embeddings too") {
  CHECK_GRADIENTS(SmallBert<LayerNormTuning>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<LayerNormTuning>, LayerNormTuning>);
}

TEST_CASE("LayerNorm tuning starts at the backbone, bit for bit") {
  CHECK(starts_at_the_backbone<Bert<Small, SmallStack<LayerNormTuning>, LayerNormTuning>>());
}

TEST_CASE("LayerNorm tuning trains weight and bias of every norm, and nothing else") {
  Names norms;
  for (const auto& name : names_of<SmallBert<>>(true))
    if (name.find("LayerNorm.") != std::string::npos) norms.push_back(name);
  CHECK(names_of<Bert<Small, SmallStack<LayerNormTuning>, LayerNormTuning>>() == norms);
  CHECK(norms.size() == 2 + 2 * 4);
}
