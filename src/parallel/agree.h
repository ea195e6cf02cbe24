#pragma once

#include <functional>
#include <string>

#include "base/error.h"
#include "parallel/communicator.h"

namespace committee::parallel {

// A failure that all ranks know of, each of them leaving by it.
class SharedError : public Error {
 public:
  using Error::Error;
};

// Runs `work` and waits for all ranks. Where it failed on some, all throw SharedError with the sentence of
// the lowest one, which is named unless it is rank 0. Collective.
void agree(Communicator& ranks, const std::function<void()>& work);

// The sentence of the exception being handled.
std::string current_problem();

// "rank 3 (host): sentence"
std::string with_rank(int rank, const std::string& sentence);

}  // namespace committee::parallel
