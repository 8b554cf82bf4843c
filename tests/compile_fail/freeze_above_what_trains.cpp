// expects: Freeze: nothing below a frozen part may train, since its backward does not exist
#include "towpath/backend/cpu/cpu.hpp"
#include "towpath/model/bert.hpp"
#include "towpath/peft/full.hpp"
#include "towpath/peft/lora.hpp"

using namespace towpath;
using Net = Bert<MiniLM, Segments<Repeat<1, TransformerLayer<MiniLM, LoRA<8>>>, Repeat<5, Freeze<TransformerLayer<MiniLM, LoRA<8>>>>>>;
using Model = Net::On<Cpu<float>>;

void step(Cpu<float>& cpu, const Model& model, const Ragged& tokens, Model::Saved<Learn<false>>& saved) {
  model.forward<Learn<false>>(cpu, tokens, saved);
}
