#include "tune.hpp"

finetune::Report finetune::tune_tiny(const Task& task) { return tune_shape<towpath::shapes::Tiny>(task); }
