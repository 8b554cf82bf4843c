#include "tune.hpp"

template finetune::Report finetune::tune_shape<towpath::BertBase>(const Task&);
