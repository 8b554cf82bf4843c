// Numbers: tuning.py, of LoRA by peft itself.
#include "tuning.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/lora.hpp"

using namespace parity;

TEST_CASE("lora trains as in peft") { like_pytorch<Retriever<Stack<LoRA<4, Alpha<8>>>>>("lora"); }

TEST_CASE("adapter trains as in PyTorch") {
  like_pytorch<Retriever<Stack<Adapter<4>>>>("adapter");
}
