#include "tune.hpp"

finetune::Report finetune::tune_mini_lm(const Task& task) { return tune_shape<towpath::MiniLM>(task); }
