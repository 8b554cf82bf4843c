#include "everything.hpp"

int towpath_version_seen_by_the_other() { return TOWPATH_VERSION_MAJOR * 10000 + TOWPATH_VERSION_MINOR * 100 + TOWPATH_VERSION_PATCH; }
