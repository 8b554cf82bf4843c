#include "encode.hpp"

template towpath::Json encoding::encode_shape<towpath::shapes::Tiny>(const Task&);
