// Numbers: tuning_libraries.py.
#include "tuning.hpp"
#include "towpath/peft/unipelt.hpp"

using namespace parity;

TEST_CASE("UniPELT trains as in the adapters library") { like_pytorch<Retriever<Stack<UniPELT<5, 4, 4>>>>("unipelt"); }
