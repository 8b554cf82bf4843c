// Numbers: tuning_libraries.py.
#include "towpath/peft/mam.hpp"
#include "towpath/peft/pfeiffer.hpp"

#include "tuning.hpp"

using namespace parity;

TEST_CASE("adapters at Houlsby's places train as in the adapters library") {
  like_pytorch<Retriever<Stack<Houlsby<4, Silu>>>>("houlsby");
}

TEST_CASE("adapters at Pfeiffer's place train as in the adapters library") {
  like_pytorch<Retriever<Stack<Pfeiffer<4>>>>("pfeiffer");
}

TEST_CASE("MAM trains as in the adapters library") { like_pytorch<Retriever<Stack<MAM<5, 4>>>>("mam"); }

TEST_CASE("a prefix made by a network trains as with peft's network") { like_pytorch<Retriever<Stack<Prefix<5, Mlp<6>>>>>("prefix-mlp"); }
