#include "team.hpp"

#include <towpath/base/check.hpp>
#ifdef TOWPATH_HAS_MPI
#include <towpath/interop/mpi.hpp>
#endif

std::unique_ptr<towpath::Team> program::team_of(const std::string& kind, [[maybe_unused]] int& argc, [[maybe_unused]] char**& argv) {
  if (kind == "none") return nullptr;
#ifdef TOWPATH_HAS_MPI
  return std::make_unique<towpath::Mpi>(argc, argv);
#else
  towpath::fail("--team mpi", "this program was compiled on a machine without MPI", "Install libopenmpi-dev, configure again and build again");
#endif
}
