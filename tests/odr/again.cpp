// The same headers as native.cpp, but for the plainest machine, beside everything.cpp, which takes its kernels from the library: linked together,
// none may be given the others' functions.
#include "everything.hpp"

#include <doctest/doctest.h>

int towpath_version_seen_by_the_other();
int towpath_version_seen_natively();

TEST_CASE("two translation units that include everything link") {
  CHECK(towpath_version_seen_natively() == towpath_version_seen_by_the_other());
  CHECK(towpath_version_seen_by_the_other() == TOWPATH_VERSION_MAJOR * 10000 + TOWPATH_VERSION_MINOR * 100 + TOWPATH_VERSION_PATCH);
}
