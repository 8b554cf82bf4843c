// The cases of the CPU once more, on a device (../unit/backend/compare.hpp).
#include "../unit/backend/cpu/cpu.cpp"
