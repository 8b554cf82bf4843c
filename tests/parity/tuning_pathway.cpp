// Numbers: tuning.py.
#include "tuning.hpp"
#include "towpath/peft/pathway.hpp"

using namespace parity;

TEST_CASE("iaa-s trains as in PyTorch") {
  like_pytorch<Retriever<Stack<Adapter<4>, Pathway<Aside<4>, at::OutsideAttention, at::OutsideFfn>>>>("iaa-s");
}

TEST_CASE("iaa-l trains as in PyTorch") {
  like_pytorch<Retriever<Stack<Adapter<4>, Pathway<Aside<4>>>>>("iaa-l");
}

TEST_CASE("iaa-m trains as in PyTorch") {
  like_pytorch<Retriever<Stack<Adapter<4>>, Pathway<Aside<4>>>>("iaa-m");
}
