#include "towpath/peft/adapter.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

using namespace towpath;

TEST_CASE("gradients of adapters at each site") {
  CHECK_GRADIENTS(SmallBert<Adapter<3, at::PostAttention>>);
  CHECK_GRADIENTS(SmallBert<Adapter<3, at::PostFfn>>);
  CHECK_GRADIENTS(SmallBert<Adapter<3, at::PostAttentionNorm>>);
  CHECK_GRADIENTS(SmallBert<Adapter<3, at::PostFfnNorm>>);
  CHECK_GRADIENTS(SmallBert<Adapter<3, at::BesideAttention>>);
  CHECK_GRADIENTS(SmallBert<Adapter<3, at::BesideFfn>>);
}

TEST_CASE("gradients of adapters at several sites") {
  CHECK_GRADIENTS(SmallBert<Adapter<3>>);
  CHECK_GRADIENTS_DROPPED(SmallBert<Adapter<1>>);
  CHECK_GRADIENTS(SmallBert<Adapter<3, at::BesideAttention, at::BesideFfn>>);
  CHECK_GRADIENTS(SmallBert<Adapter<2, at::PostFfnNorm, at::PostAttentionNorm, at::PostFfn, at::PostAttention, at::BesideAttention, at::BesideFfn>>);
}
