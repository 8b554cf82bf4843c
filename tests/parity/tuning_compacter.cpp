// Numbers: tuning_libraries.py.
#include "tuning.hpp"
#include "towpath/peft/compacter.hpp"

using namespace parity;

TEST_CASE("Compacter trains as in the adapters library") { like_pytorch<Retriever<Stack<Compacter<8>>>>("compacter"); }
