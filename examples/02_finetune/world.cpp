#include "../world.hpp"
#include "tune.hpp"

finetune::Report finetune::tune_world(const Task& task) { return tune_shape<world::World>(task); }
