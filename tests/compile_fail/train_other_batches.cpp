// expects: train: the batches are of another kind than the model reads: a CrossEncoder takes pairs, AsPairs
#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/data/triples.hpp"
#include "towpath/ir/cross_encoder.hpp"
#include "towpath/train/loop.hpp"
#include "towpath/loss/cross_entropy.hpp"

using namespace towpath;
using Model = CrossEncoder<Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>>, ClsPooling>::On<Cpu<float>>;

void tune(Model& model, Cpu<float>& cpu, AdamW<Model>& adam, const Triples& triples) {
  train(model, cpu, adam, triples, GroupCrossEntropy{}, LoopOptions{}, [](const TrainState&) { return 0.0; });
}
