#include "parallel/agree.h"

#include <unistd.h>

#include <algorithm>
#include <new>

namespace committee::parallel {

std::string current_problem() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return "out of memory";
  } catch (const std::exception& problem) {
    return problem.what();
  }
}

std::string with_rank(int rank, const std::string& sentence) {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  return fmt::format("rank {} ({}): {}", rank, host, sentence);
}

void agree(Communicator& ranks, const std::function<void()>& work) {
  if (ranks.size() == 1) {
    work();
    return;
  }
  std::string problem;
  try {
    work();
  } catch (const std::exception&) {
    problem = current_problem();
    if (!ranks.first()) problem = with_rank(ranks.rank(), problem);
  }
  Payload verdict;
  for (auto& other : ranks.gather(payload_of(problem), 0)) {
    if (verdict.empty()) verdict = std::move(other);
  }
  ranks.broadcast(verdict, 0);
  if (!verdict.empty()) throw SharedError(text_of(verdict));
}

}  // namespace committee::parallel
