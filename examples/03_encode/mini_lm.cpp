#include "encode.hpp"

template towpath::Json encoding::encode_shape<towpath::MiniLM>(const Task&);
