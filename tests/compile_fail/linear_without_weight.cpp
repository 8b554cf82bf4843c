// expects: Linear: a projection needs its weight; only the bias may be absent
#include "towpath/nn/linear.hpp"

using namespace towpath;
static_assert(Linear<8, 8, Leaf::absent, Leaf::trained>::trains);
