// On a device.
#include "../unit/train/device.cpp"
