// Numbers: tuning_libraries.py.
#include "tuning.hpp"
#include "towpath/peft/ia3.hpp"

using namespace parity;

TEST_CASE("(IA)3 trains as in peft") { like_pytorch<Retriever<Stack<Ia3<at::Keys, at::Values, at::Context, at::FfnHidden>>>>("ia3-peft"); }

TEST_CASE("(IA)3 trains as in the adapters library") { like_pytorch<Retriever<Stack<Ia3<at::Keys, at::Values, at::FfnArgument>>>>("ia3-hub"); }
