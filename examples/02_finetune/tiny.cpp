#include "tune.hpp"

template finetune::Report finetune::tune_shape<towpath::shapes::Tiny>(const Task&);
