#include "tune.hpp"

template finetune::Report finetune::tune_shape<towpath::MiniLM>(const Task&);
