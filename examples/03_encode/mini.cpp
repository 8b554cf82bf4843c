#include "encode.hpp"

template towpath::Json encoding::encode_shape<towpath::shapes::Mini>(const Task&);
