#pragma once

#include <exception>
#include <functional>
#include <string>

#include "parallel/communicator.h"

namespace committee::cli {

// The sentence is on stderr already: exit code 1.
class Said : public std::exception {
 public:
  const char* what() const noexcept override { return "said"; }
};

// Runs a command's work on all ranks that mpirun or srun started, or on this process alone. The first rank
// says why ranks fail before any of them leaves (Said): a launcher stops the others once one has. A failure
// that not all ranks know of ends the job at once.
void with_ranks(const std::function<void(parallel::Communicator&)>& work);

// Work of the first rank alone; the others wait, and fail where it does. Collective.
void on_first(parallel::Communicator& ranks, const std::function<void()>& work);

// Throws Error in a process that mpirun or srun started as one of several, unless `command` serves that.
void check_command_of_ranks(const std::string& command);

// Before a failure outside with_ranks(): returns when the first rank has come here too, or could have.
void leave_together();

// Whether this process is the one of its job that prints.
bool is_first_rank();

}  // namespace committee::cli
