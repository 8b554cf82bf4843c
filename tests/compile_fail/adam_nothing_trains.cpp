// expects: AdamW: nothing in this model trains: name a method, or call encode.. instead
#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/ir/bi_encoder.hpp"
#include "towpath/optim/adam.hpp"

using namespace towpath;
using Retriever = BiEncoder<Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>>, MeanPooling, Cosine>;

void tune(Retriever::On<Cpu<float>>& model) { AdamW adam{model}; }
