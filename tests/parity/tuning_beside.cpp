// Numbers: tuning_libraries.py.
#include "tuning.hpp"
#include "towpath/peft/adapter.hpp"
#include "towpath/peft/prefix.hpp"

using namespace parity;

TEST_CASE("a parallel adapter trains as in the adapters library, with its scale of 4 and without") {
  like_pytorch<Retriever<Stack<Adapter<4, at::BesideFfn, Scale<4>>>>>("par-bn");
  like_pytorch<Retriever<Stack<Adapter<4, at::BesideFfn>>>>("parallel");
}

TEST_CASE("a prefix trains as in the adapters library, and as in peft, where the words' positions begin after it") {
  like_pytorch<Retriever<Stack<Prefix<5>>>>("prefix");
  like_pytorch<Retriever<Stack<Prefix<5>>, PositionsFrom<5>>>("prefix-peft");
}

TEST_CASE("that is all in which the two prefixes differ, and it shows") {
  const Safetensors hub{fixture("tuning_prefix")}, peft{fixture("tuning_prefix-peft")};
  for (const auto& e : hub.entries())
    if (e.name.starts_with("init.")) CHECK(numbers(hub, e.name) == numbers(peft, e.name));
  CHECK(std::fabs(numbers(hub, "losses")[0] - numbers(peft, "losses")[0]) > 0.5);
}
