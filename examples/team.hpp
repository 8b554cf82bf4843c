// Processes that train together, by what --team names.
#pragma once

#include <towpath/base/team.hpp>

#include <memory>
#include <string>
#include <vector>

namespace program {

inline const std::vector<std::string> teams{"none", "mpi"};

// Null for none. Errors: a kind that this program was compiled without.
std::unique_ptr<towpath::Team> team_of(const std::string& kind, int& argc, char**& argv);

}  // namespace program
