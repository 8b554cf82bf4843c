// LoRA's start, names and scale. (Gradients: lora.cpp.)
#include "../model/small.hpp"
#include "towpath/peft/lora.hpp"

#include <doctest/doctest.h>

using namespace towpath;

TEST_CASE("LoRA starts at the backbone, bit for bit") {
  CHECK(starts_at_the_backbone<SmallBert<LoRA<2>>>());
  CHECK(starts_at_the_backbone<SmallBert<LoRA<2, RankStabilised, BranchDropout>>>());
  CHECK(starts_at_the_backbone<SmallBert<LoRA<3, Alpha<16>, at::Query, at::Key, at::Value, at::AttentionOutput, at::FfnIn, at::FfnOut>>>());
}

TEST_CASE("names are peft's; the default sites are query and value") {
  CHECK(names_of<Bert<Small, Repeat<1, TransformerLayer<Small, LoRA<2>>>>>() ==
        Names{"encoder.layer.0.attention.self.query.lora_A.weight", "encoder.layer.0.attention.self.query.lora_B.weight",
              "encoder.layer.0.attention.self.value.lora_A.weight", "encoder.layer.0.attention.self.value.lora_B.weight"});
  CHECK(names_of<Bert<Small, Repeat<1, TransformerLayer<Small, LoRA<2, at::FfnOut>>>>>() ==
        Names{"encoder.layer.0.output.dense.lora_A.weight", "encoder.layer.0.output.dense.lora_B.weight"});
}

TEST_CASE("A is drawn Kaiming-uniform, B is zero, and both follow from the seed and the name") {
  using Env = Cpu<float>;
  SmallBert<LoRA<2>>::On<Env> a, b;
  initialise(a, 9);
  initialise(b, 9);
  const float bound = 1 / std::sqrt(static_cast<float>(Small::hidden));
  const auto same = trained_leaves(b);
  std::size_t i = 0;
  for (const auto& leaf : trained_leaves(a)) {
    CHECK(same_bits(*leaf.owned, *same[i++].owned));
    float largest = 0;
    for (Index k = 0; k < leaf.size(); ++k) largest = std::max(largest, std::fabs(leaf.view().data[k]));
    if (leaf.name.ends_with("lora_B.weight")) CHECK(largest == 0);
    else CHECK((largest > bound / 2 && largest <= bound));
  }
}

namespace {
template <class Method>
void gives(double scale) {
  using Env = Cpu<double>;
  using Delta = typename Method::template Module<Env, at::Query, 3, 4>;
  Env env{{.threads = 1}};
  Delta delta;
  randomise<Delta, Env>(delta, 1);
  const auto list = leaves<Delta, Env>(delta);
  REQUIRE(list.size() == 2);
  const View<Env> a = list[0].view(), b = list[1].view();
  CHECK((a.rows == 2 && a.columns == 3 && b.rows == 4 && b.columns == 2));
  Tensor<Env> x(1, 3);
  for (Index i = 0; i < 3; ++i) x.data()[i] = 0.5 + static_cast<double>(i);
  typename Delta::template Saved<Infer> saved;
  const Tensor<Env> y = delta.template forward<Infer>(env, x.view(), saved);
  for (Index o = 0; o < 4; ++o) {
    double sum = 0;
    for (Index r = 0; r < 2; ++r)
      for (Index i = 0; i < 3; ++i) sum += b.row(o)[r] * a.row(r)[i] * x.data()[i];
    CHECK(y.data()[o] == doctest::Approx(scale * sum).epsilon(1e-12));
  }
}
}  // namespace

TEST_CASE("s (x Aᵀ) Bᵀ: s = α / r, or α / √r") {
  gives<LoRA<2>>(1);
  gives<LoRA<2, Alpha<7>>>(3.5);
  gives<LoRA<2, Alpha<7>, RankStabilised>>(7 / std::sqrt(2.0));
  gives<LoRA<2, RankStabilised, BranchDropout>>(std::sqrt(2.0));
}
