// One layer.
#include "step.hpp"

using namespace towpath;
template float step<Repeat<1, TransformerLayer<MiniLM, LoRA<8>>>>(Cpu<float>&, const Batch&);
