#include "cli/ranks.h"

#include <cstdio>

#include "cli/interrupt.h"
#include "parallel/agree.h"
#include "parallel/launcher.h"

namespace committee::cli {

void with_ranks(const std::function<void(parallel::Communicator&)>& work) {
  const auto ranks = parallel::connect();
  try {
    work(*ranks);
  } catch (const parallel::SharedError&) {
    throw;  // all leave
  } catch (const Interrupted&) {
    throw;
  } catch (...) {
    if (ranks->size() == 1) throw;
    std::fflush(stdout);
    fmt::print(stderr, "committee-audit: {}\n", parallel::current_problem());
    std::fflush(stderr);
    ranks->abort(1);
  }
}

void on_first(parallel::Communicator& ranks, const std::function<void()>& work) {
  parallel::agree(ranks, [&] {
    if (ranks.first()) work();
  });
}

bool is_first_rank() {
  const auto launch = parallel::launched();
  return !launch || launch->rank == 0;
}

void check_command_of_ranks(const std::string& command) {
  const auto launch = parallel::launched();
  if (!launch || launch->size == 1 || command == "run" || command == "capture") return;
  throw Error("{} runs as one process, and {} were started: only run and capture share their work", command,
              launch->size);
}

}  // namespace committee::cli
