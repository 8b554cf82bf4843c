#include "tune.hpp"

finetune::Report finetune::tune_bert_large(const Task& task) { return tune_shape<towpath::BertLarge>(task); }
