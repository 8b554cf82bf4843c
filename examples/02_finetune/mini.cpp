#include "tune.hpp"

finetune::Report finetune::tune_mini(const Task& task) { return tune_shape<towpath::shapes::Mini>(task); }
