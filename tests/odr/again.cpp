// The same headers as everything.cpp, but without -march=native: linked together, neither may be given the other's functions.
#include "everything.hpp"

#include <doctest/doctest.h>

int towpath_version_seen_by_the_other();

TEST_CASE("two translation units that include everything link") {
  CHECK(towpath_version_seen_by_the_other() == TOWPATH_VERSION_MAJOR * 10000 + TOWPATH_VERSION_MINOR * 100 + TOWPATH_VERSION_PATCH);
}
