// The operations that the gradient checks of this folder call, compiled here once.
#define TOWPATH_TEST_COMPILES_OPERATIONS
#include "gradients.hpp"

namespace towpath {
TOWPATH_TEST_OPERATIONS();
}  // namespace towpath
