#include "cli/ranks.h"

#include <chrono>
#include <cstdio>
#include <thread>

#include "cli/interrupt.h"
#include "parallel/agree.h"
#include "parallel/launcher.h"

namespace committee::cli {
namespace {

void say_now(const std::string& sentence) {
  std::fflush(stdout);
  fmt::print(stderr, "committee-audit: {}\n", sentence);
  std::fflush(stderr);
}

}  // namespace

void with_ranks(const std::function<void(parallel::Communicator&)>& work) {
  const auto ranks = parallel::connect();
  try {
    work(*ranks);
  } catch (const Interrupted&) {
    throw;
  } catch (const parallel::SharedError& problem) {
    if (ranks->first()) say_now(problem.what());
    say_nothing_when_interrupted();  // by the launcher, once another rank has left
    throw Said();
  } catch (...) {
    if (ranks->size() == 1) throw;
    say_now(parallel::current_problem());
    say_nothing_when_interrupted();
    ranks->abort(1);
  }
}

void leave_together() {
  const auto launch = parallel::launched();
  if (!launch || launch->size == 1) return;
  say_nothing_when_interrupted();
  try {
    parallel::connect();  // and leave
  } catch (const std::exception&) {
    // Without MPI the first rank cannot be waited for.
    if (launch->rank > 0) std::this_thread::sleep_for(std::chrono::seconds(1));
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
