// Numbers: tuning.py, by peft itself.
#include "towpath/peft/dora.hpp"
#include "towpath/peft/rs_lora.hpp"

#include "tuning.hpp"

using namespace parity;

TEST_CASE("rslora trains as in peft") { like_pytorch<Retriever<Stack<RsLoRA<4, Alpha<8>>>>>("rslora"); }

TEST_CASE("dora trains as in peft") { like_pytorch<Retriever<Stack<DoRA<4, Alpha<8>>>>>("dora"); }
