// A step of training, long-hand, as a function of the stack of layers: what the programs of this folder have in common.
#pragma once

#include <towpath/towpath.hpp>

template <class Stack>
float step(towpath::Cpu<float>& cpu, const towpath::Batch& batch) {
  using namespace towpath;
  using Net = typename BiEncoder<Bert<MiniLM, Stack>, MeanPooling, Cosine>::template On<Cpu<float>>;
  Net model{cpu};
  typename Net::template Saved<Learn<false>> saved;
  typename Net::Grads grads;
  AdamW adam{model, Adam{.rate = 1e-3f}};
  zero(grads);
  const auto scores = model.forward(cpu, batch, saved);
  const auto l = InfoNce{.temperature = 0.05f}(scores);
  model.backward(cpu, l.gradient, batch, saved, grads);
  adam.update(model, grads);
  return static_cast<float>(l.value);
}
