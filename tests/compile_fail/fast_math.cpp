// expects: -ffast-math .*breaks masked softmax
// flags: -ffast-math
#include "towpath/base/config.hpp"
