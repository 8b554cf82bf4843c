#include "encode.hpp"

template towpath::Json encoding::encode_shape<world::World>(const Task&);
