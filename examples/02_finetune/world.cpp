#include "tune.hpp"

template finetune::Report finetune::tune_shape<world::World>(const Task&);
