// The umbrella, and nothing else.
#include <towpath/towpath.hpp>
