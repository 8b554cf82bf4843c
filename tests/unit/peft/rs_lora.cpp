#include "towpath/peft/rs_lora.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

using namespace towpath;

static_assert(std::is_same_v<RsLoRA<4>::sites, LoRA<4>::sites>);

TEST_CASE("gradients of rsLoRA") { CHECK_GRADIENTS(SmallBert<RsLoRA<2, Alpha<3>>>); }

TEST_CASE("rsLoRA starts at the backbone, bit for bit") { CHECK(starts_at_the_backbone<SmallBert<RsLoRA<2>>>()); }

TEST_CASE("rsLoRA is LoRA with α √r for α") {
  using Env = Cpu<float>;
  Env env{{.threads = 1}};
  SmallBert<RsLoRA<4, Alpha<8>>>::On<Env> a;
  SmallBert<LoRA<4, Alpha<16>>>::On<Env> b;
  SmallBert<LoRA<4, Alpha<8>>>::On<Env> other;
  randomise(a, 1), randomise(b, 1), randomise(other, 1);
  const Ragged tokens = some_tokens({3, 8, 1});
  CHECK(same_bits(encoding(env, a, tokens), encoding(env, b, tokens)));
  CHECK(!same_bits(encoding(env, a, tokens), encoding(env, other, tokens)));
}
