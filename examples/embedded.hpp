#pragma once

#include <string>

namespace program {

// Writes the embedded world as an ordinary model and collection, so that the default goes the way of every other input; the folder of both.
std::string embedded_world();
std::string embedded_world_folder();  // without writing anything

}  // namespace program
