#pragma once

#include <filesystem>
#include <vector>

#include "interventions/outcome.h"

namespace committee::cli {

// Outcomes on disk while an experiment runs, a line each: variant, sample and what the question gave.
class Journal {
 public:
  // Both outlive the journal.
  Journal(std::filesystem::path file, interventions::OutcomeTable& outcomes);

  // Begins anew.
  void clear();
  // Puts what the file holds into the table; a line that was cut off is dropped from the file. Throws Error
  // for one that does not fit the table.
  void load();
  // Writes the outcomes that the file lacks.
  void append();

 private:
  void take(const std::string& line);

  std::filesystem::path file_;
  interventions::OutcomeTable& outcomes_;
  std::vector<bool> written_;
};

}  // namespace committee::cli
