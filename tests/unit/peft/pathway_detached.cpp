// A pathway that alone carries gradients. (With the backbone: pathway.cpp.)
#include "towpath/peft/lora.hpp"
#include "towpath/peft/pathway.hpp"

#include "../model/small.hpp"

#include <doctest/doctest.h>

using namespace towpath;

namespace {
using Alone = Pathway<Aside<3>, DetachMain>;
using Env = Cpu<double>;
using Layer = TransformerLayer<Small, Alone>;

static_assert(std::is_same_v<Alone::sites, Pathway<Aside<3>>::sites>);
static_assert(std::is_same_v<Pathway<Aside<3>, at::OutsideFfn, DetachMain, at::OutsideAttention>::sites,
                             Sites<at::OutsideFfn, at::OutsideAttention>>);
// Round a frozen layer the backbone has no backward at all, on whatever pass, and keeps nothing.
using Saved = Layer::On<Env>::Saved<Learn<true>>;
static_assert(std::is_empty_v<decltype(Saved::main)> && !std::is_empty_v<decltype(Saved::branch)>);
static_assert(
    !std::is_empty_v<decltype(TransformerLayer<Small, Pathway<Aside<3>>>::On<Env>::Saved<Learn<true>>::main)>);
}  // namespace

TEST_CASE("start and names are the pathway's; where nothing below trains the gradient is the loss's") {
  CHECK(starts_at_the_backbone<SmallBert<Alone, LoRA<2>>>());
  CHECK(names_of<SmallBert<Alone>>() == names_of<SmallBert<Pathway<Aside<3>>>>());
  CHECK_GRADIENTS(Bert<Small, Repeat<1, TransformerLayer<Small, Alone, LoRA<2>>>>);
  CHECK_GRADIENTS(Bert<Small, SmallStack<LoRA<2>>, Alone>);
}

// What it should be, from the asides alone: x2 = Layer(x1) + B2(x1), so dx1 = ∂B2ᵀ dx2, and B1 learns from that.
TEST_CASE("two layers: each aside gets what came down through the asides above it") {
  using Net = SmallBert<Alone>::On<Env>;
  using Aside_ = Bottleneck<"aside", Small::hidden, 3, Small::hidden>::On<Env>;
  Env env{{.threads = 1}};
  Net model;
  randomise(model, 1);
  const Ragged tokens = some_tokens({4, 1, 6});
  Net::Saved<Learn<false>> saved;
  const Tensor<Env> y = model.forward<Learn<false>>(env, tokens, saved);
  const Tensor<Env> x0 = saved.embedded.copy();
  REQUIRE(saved.encoder.input.size() == 1);
  const Tensor<Env> x1 = saved.encoder.input[0].copy();
  const Tensor<Env> dy = op::copy<Env>(env, y);
  Net::Grads g;
  model.backward<Learn<false>>(env, dy, tokens, saved, g);

  const Aside_& first = model.encoder.layer[0].branch;
  const Aside_& second = model.encoder.layer[1].branch;
  Aside_::Saved<Learn<true>> kept;
  Aside_::Saved<Learn<false>> low;
  Aside_::Grads top, bottom;
  second.forward<Learn<true>>(env, x1.view(), kept);
  const Tensor<Env> dx1 = second.backward<Learn<true>>(env, dy, x1.view(), kept, top);
  first.forward<Learn<false>>(env, x0.view(), low);
  first.backward<Learn<false>>(env, dx1, x0.view(), low, bottom);

  const auto found = tensors<Net>(g);
  auto right = tensors<Aside_, Env>(bottom);
  for (auto* t : tensors<Aside_, Env>(top)) right.push_back(t);
  REQUIRE(found.size() == right.size());
  REQUIRE(found.size() == 8);
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(op::square_norm<Env>(env, *found[i]) > 0);
    for (Index k = 0; k < found[i]->size(); ++k)
      CHECK(found[i]->data()[k] == doctest::Approx(right[i]->data()[k]).epsilon(1e-12));
  }
}

TEST_CASE("modules inside learn from the gradient at their layer's output; only the first tokens are asked for") {
  using Cut = SmallBert<LoRA<2>, Alone>::On<Env>;
  using Free = SmallBert<LoRA<2>, Pathway<Aside<3>>>::On<Env>;
  Env env{{.threads = 1}};
  Cut cut;
  Free free;
  randomise(cut, 1);
  randomise(free, 1);
  const Ragged tokens = some_tokens({4, 1, 6});
  Cut::Saved<Learn<false>> less;
  Free::Saved<Learn<false>> kept;
  Cut::Grads g;
  Free::Grads h;
  const Tensor<Env> y = cut.forward<Learn<false>, true>(env, tokens, less);
  CHECK(same_bits(y, free.forward<Learn<false>, true>(env, tokens, kept)));
  cut.backward<Learn<false>, true>(env, y, tokens, less, g);
  free.backward<Learn<false>, true>(env, y, tokens, kept, h);
  const auto trained = trained_leaves(cut);
  const auto a = tensors<Cut>(g), b = tensors<Free>(h);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(op::square_norm<Env>(env, *a[i]) > 0);
    CHECK_MESSAGE(same_bits(*a[i], *b[i]) == trained[i].name.starts_with("encoder.layer.1."),
                  trained[i].name);  // nothing is cut above the upper layer
  }
}
