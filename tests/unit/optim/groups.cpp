#include "towpath/optim/groups.hpp"

#include <doctest/doctest.h>

using towpath::matches;

static_assert(matches("*bias", "encoder.layer.0.output.dense.bias") && !matches("*bias", "encoder.bias.weight"));
static_assert(matches("", "") && matches("*", "") && matches("**", "x") && !matches("", "x") && !matches("x", ""));
static_assert(matches("a*c", "abc") && matches("a*c", "ac") && matches("a*c", "acbc") && !matches("a*c", "acb"));
static_assert(matches("*a*b*", "xxaxxbxx") && !matches("*a*b*", "xxbxxaxx"));
static_assert(matches("*aab", "aaaab") && matches("a*a*a", "aaaa") && !matches("a*a*a", "aa"));  // has to come back to a star
static_assert(matches("encoder.layer.1.*", "encoder.layer.1.output.dense.bias") && !matches("encoder.layer.1.*", "encoder.layer.11.output"));
static_assert(!matches("*LayerNorm.weight", "LayerNorm.weights") && matches("plain", "plain") && !matches("plain", "plainer"));

TEST_CASE("the usual groups: no decay on biases and norms") {
  for (const auto& [name, decays] : {std::pair{"encoder.layer.0.output.dense.weight", true}, {"encoder.layer.0.output.dense.bias", false},
                                     {"embeddings.LayerNorm.weight", false}, {"embeddings.LayerNorm.bias", false},
                                     {"encoder.layer.0.aside_down.weight", true}, {"encoder.layer.0.attention.self.prefix_key", true}}) {
    double decay = 1, rate = 1;
    for (const auto& g : towpath::usual_groups())
      if (matches(g.pattern, name)) decay *= g.decay, rate *= g.rate;
    CHECK_MESSAGE((decay != 0) == decays, name);
    CHECK(rate == 1);
  }
}
