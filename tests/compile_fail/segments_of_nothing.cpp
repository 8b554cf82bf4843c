// expects: Segments: name at least one Repeat<N, Layer>
#include "towpath/nn/segments.hpp"

using namespace towpath;
static_assert(Segments<>::layers == 0);
