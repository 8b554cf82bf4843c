#include "tune.hpp"

template finetune::Report finetune::tune_shape<towpath::BertLarge>(const Task&);
