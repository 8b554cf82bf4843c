#include "../unit/model/ops.cpp"
