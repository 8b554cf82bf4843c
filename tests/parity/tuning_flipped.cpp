// Numbers: tuning.py; of norms, tuning_libraries.py.
#include "tuning.hpp"
#include "towpath/peft/full.hpp"

using namespace parity;

TEST_CASE("bitfit trains as in PyTorch") {
  like_pytorch<Retriever<Stack<BitFit>, BitFit>>("bitfit");
}

TEST_CASE("full trains as in PyTorch") {
  like_pytorch<Retriever<Stack<FullTuning>, FullTuning>>("full");
}

TEST_CASE("norms train as in peft") { like_pytorch<Retriever<Stack<LayerNormTuning>, LayerNormTuning>>("norms"); }
