// Everything once more, with kernels compiled for the machine at hand.
#include "everything.hpp"

int towpath_version_seen_natively() { return TOWPATH_VERSION_MAJOR * 10000 + TOWPATH_VERSION_MINOR * 100 + TOWPATH_VERSION_PATCH; }
