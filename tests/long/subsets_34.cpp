#include "subsets.hpp"

TEST_CASE("gradients of every subset of up to three sites, 35 of 36") { subsets::check_file<34>(); }
