#include "cli/journal.h"

#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <string>
#include <utility>

#include "base/error.h"

namespace committee::cli {

namespace fs = std::filesystem;
using interventions::Outcome;
using interventions::OutcomeTable;

Journal::Journal(fs::path file, OutcomeTable& outcomes)
    : file_(std::move(file)), outcomes_(outcomes), written_(outcomes.variants() * outcomes.samples()) {}

void Journal::clear() { fs::remove(file_); }

void Journal::load() {
  std::ifstream in(file_, std::ios::binary);
  if (!in) return;
  uintmax_t whole = 0;
  for (std::string line; std::getline(in, line) && !in.eof(); whole += line.size() + 1) take(line);
  in.close();
  // What is appended next must begin a line.
  if (fs::file_size(file_) > whole) fs::resize_file(file_, whole);
}

void Journal::take(const std::string& line) {
  std::istringstream fields(line);
  size_t variant = 0, sample = 0;
  int answer = 0;
  Outcome outcome;
  const bool whole = static_cast<bool>(fields >> variant >> sample >> answer >> outcome.letter >>
                                       outcome.answer_logprob >> outcome.kl);
  if (!whole || variant >= outcomes_.variants() || sample >= outcomes_.samples() || answer < 0 || answer > 2)
    throw Error("{}: \"{}\" does not fit the experiment; --overwrite starts anew", file_.string(), line);
  outcome.answer = static_cast<interventions::Answer>(answer);
  outcomes_.at(variant, sample) = outcome;
  written_[variant * outcomes_.samples() + sample] = true;
}

void Journal::append() {
  std::ofstream out(file_, std::ios::app | std::ios::binary);
  for (size_t v = 0; v < outcomes_.variants(); ++v) {
    for (size_t s = 0; s < outcomes_.samples(); ++s) {
      const auto& cell = outcomes_.at(v, s);
      const size_t at = v * outcomes_.samples() + s;
      if (!cell || written_[at]) continue;
      out << fmt::format("{} {} {} {} {} {}\n", v, s, static_cast<int>(cell->answer), cell->letter,
                         cell->answer_logprob, cell->kl);
      written_[at] = true;
    }
  }
  if (!out.flush()) throw Error("{}: cannot write", file_.string());
}

}  // namespace committee::cli
