// Numbers: tuning_libraries.py.
#include "tuning.hpp"
#include "towpath/peft/prompt.hpp"

using namespace parity;

TEST_CASE("a prompt trains as in peft") { like_pytorch<Retriever<Stack<>, Prompt<3>>>("prompt"); }
