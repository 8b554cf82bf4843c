#define TOWPATH_TEST_OPS_HERE
#include "small.hpp"

TOWPATH_TEST_OPS(, towpath::Cpu<float>)
TOWPATH_TEST_OPS(, towpath::Cpu<double>)
