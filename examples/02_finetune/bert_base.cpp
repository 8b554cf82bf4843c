#include "tune.hpp"

finetune::Report finetune::tune_bert_base(const Task& task) { return tune_shape<towpath::BertBase>(task); }
