#include "gpu_shape.cuh"

template std::unique_ptr<compare::Case> compare::on_gpu<towpath::BertBase>(const std::string&, const compare::Order&);
