// Whole models on a device beside the CPU.
#include "../unit/backend/cuda/environment.cpp"
