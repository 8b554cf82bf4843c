#pragma once

namespace compare {

// What this machine's arithmetic reaches with everything in registers, in FLOP/s on `threads` threads; 0 where it has no such instruction.
struct Peaks {
  double f32_512, f32_256, bf16_dot, bf16_amx;
};
Peaks peaks(int threads);

}  // namespace compare
