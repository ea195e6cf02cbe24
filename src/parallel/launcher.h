#pragma once

#include <memory>
#include <optional>

#include "parallel/communicator.h"

namespace committee::parallel {

// What mpirun (Open MPI, MPICH) or srun says in the environment of the processes that it starts.
struct Launch {
  int rank = 0, size = 1;
};
std::optional<Launch> launched();

// The ranks that this process was started with; serial() without a launcher or with one rank. The MPI library
// comes with the plugin libcommittee_mpi.so, which lies beside the program or where it was installed; the
// program itself never needs it. Throws Error where there are several ranks and no plugin.
std::unique_ptr<Communicator> connect();

// Of the plugin.
inline constexpr const char* kPluginFile = "libcommittee_mpi.so";
inline constexpr const char* kPluginConnect = "committee_mpi_connect";  // Communicator* ()
inline constexpr const char* kPluginVersion = "committee_mpi_version";  // const char* ()

}  // namespace committee::parallel
