#include "instantiated.hpp"

TOWPATH_INSTANTIATE(Once, towpath::Cpu<float>);
TOWPATH_INSTANTIATE(Frozen, towpath::Cpu<float>);
