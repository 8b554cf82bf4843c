// Twelve layers of four types, the first of them frozen.
#include "step.hpp"

using namespace towpath;
template float step<Segments<Repeat<3, TransformerLayer<MiniLM>>, Repeat<3, TransformerLayer<MiniLM, LoRA<8>>>, Repeat<3, TransformerLayer<MiniLM, Adapter<16>>>,
                             Repeat<3, TransformerLayer<MiniLM, LoRA<4>, Pathway<Aside<16>>>>>>(Cpu<float>&, const Batch&);
