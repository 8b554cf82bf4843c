// Numbers: tuning.py.
#include "tuning.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/prefix.hpp"

using namespace parity;

TEST_CASE("parallel trains as in PyTorch") {
  like_pytorch<Retriever<Stack<Adapter<4, at::BesideFfn>>>>("parallel");
}

TEST_CASE("prefix trains as in PyTorch") {
  like_pytorch<Retriever<Stack<Prefix<5>>>>("prefix");
}
