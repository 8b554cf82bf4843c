// expects: train: this loss does not take the scores of this model
#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/data/triples.hpp"
#include "towpath/ir/cross_encoder.hpp"
#include "towpath/train/loop.hpp"
#include "towpath/loss/info_nce.hpp"

using namespace towpath;
using Model = CrossEncoder<Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>>, ClsPooling>::On<Cpu<float>>;

void tune(Model& model, Cpu<float>& cpu, AdamW<Model>& adam, const Triples& triples) {
  train(model, cpu, adam, AsPairs{triples}, InfoNce{}, LoopOptions{}, [](const TrainState&) { return 0.0; });
}
