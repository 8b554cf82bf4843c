#pragma once

#include "towpath/base/config.hpp"

namespace towpath {

// A factor on the learning rate: from 0 up to 1 over the first `warmup` share of the steps, then down to 0 at the last, both straight
// lines; the usual one for BERT (Devlin et al. 2019). With total = 0 it is 1 throughout.
struct LinearSchedule {
  Index total = 0;
  double warmup = 0.1;

  // For step 0 … total - 1, the one about to be taken.
  double operator()(Index step) const {
    if (total <= 0) return 1;
    const double up = warmup * static_cast<double>(total), now = static_cast<double>(step) + 1;
    if (now < up) return now / up;
    const double down = static_cast<double>(total) - up;
    const double left = static_cast<double>(total - step) / (down > 0 ? down : 1);
    return left < 1 ? (left > 0 ? left : 0) : 1;
  }
};

}  // namespace towpath
