// On a device.
#include "../unit/backend/cuda/select.cpp"
