// expects: Linear: a projection needs at least one input and one output
#include "towpath/nn/linear.hpp"

using namespace towpath;
static_assert(Linear<0, 8>::trains);
