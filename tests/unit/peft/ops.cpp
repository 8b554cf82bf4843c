#include "../model/ops.cpp"
