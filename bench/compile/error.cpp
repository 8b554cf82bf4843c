// expects: two methods claim at::KeysValues: keep one prefix, or put them in different Segments
// A mistake inside a whole program: how long is what the compiler says?
#include "step.hpp"

using namespace towpath;
template float step<Repeat<12, TransformerLayer<MiniLM, Prefix<16>, LoRA<8>, Prefix<8>>>>(Cpu<float>&, const Batch&);
