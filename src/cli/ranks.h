#pragma once

#include <functional>
#include <string>

#include "parallel/communicator.h"

namespace committee::cli {

// Runs a command's work on all ranks that mpirun or srun started, or on this process alone. A failure that
// not all ranks know of ends the job: its sentence is printed and the other ranks are stopped.
void with_ranks(const std::function<void(parallel::Communicator&)>& work);

// Work of the first rank alone; the others wait, and fail where it does. Collective.
void on_first(parallel::Communicator& ranks, const std::function<void()>& work);

// Throws Error in a process that mpirun or srun started as one of several, unless `command` serves that.
void check_command_of_ranks(const std::string& command);

// Whether this process is the one of its job that prints.
bool is_first_rank();

}  // namespace committee::cli
