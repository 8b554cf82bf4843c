#include "towpath/ir/similarity.hpp"

#include <doctest/doctest.h>

using namespace towpath;

static_assert(Cosine::normalises && !Dot::normalises);

TEST_CASE("similarities have names, for files and logs") {
  CHECK(Cosine::name == "cosine");
  CHECK(Dot::name == "dot");
}
