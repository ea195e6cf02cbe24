#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "cli/experiment.h"
#include "cli/flags.h"
#include "cli/json_output.h"
#include "cli/setup.h"
#include "interventions/analysis.h"

namespace committee::cli {

// The folder that an experiment fills. NAME.json says what shapes the outcomes and whether all are there;
// outcomes.partial keeps them while it runs, so that --resume goes on where an interrupted call stopped.
class Study {
 public:
  // `options`: those of the command beside what a capture with the flags of `setup` depends on. Nothing is
  // written yet. Throws Error, naming what changed, where --resume finds another experiment.
  Study(std::string name, const OutputFlags& output, const Setup& setup, OrderedJson options);

  // The folder holds this very experiment, finished; document() of it.
  bool is_finished() const { return finished_; }
  OrderedJson document() const;

  // Runs what is left of the arms, writing down what is scored.
  interventions::OutcomeTable run(Experiment& experiment, std::span<const Arm> arms);

  // Adds `found` and the experiment's work to NAME.json, which is complete then. All other files of the
  // folder must be there.
  void finish(const OrderedJson& found, const Experiment& experiment);

  std::filesystem::path operator/(const std::string& file) const { return folder_ / file; }

 private:
  bool holds_it_finished() const;

  std::string name_;
  std::filesystem::path folder_;
  OrderedJson json_;
  bool resumes_ = false, finished_ = false;
};

// The samples that have an answer, all of which the outcomes of an experiment name.
interventions::Questions questions_of(const Setup& setup);

// outcomes.csv: every question in every set.
std::string outcomes_csv(const std::vector<interventions::ExpertSet>& sets,
                         const interventions::OutcomeTable& outcomes,
                         const interventions::Questions& questions, const Setup& setup);

OrderedJson sets_json(const std::vector<interventions::SetResult>& results);

// "committee 10 3 17": what identifies sets in a Study's options.
std::vector<std::string> set_names(const std::vector<interventions::ExpertSet>& sets);

// "N rows computed; one by one …", of the experiment's work.
std::string work_sentence(const ExperimentWork& work);

// The paragraph of sentences under a table.
std::string bullets(const std::vector<std::string>& sentences);

// A warning for samples that have no answer.
void warn_of_unscored(const Setup& setup, int64_t scored);

}  // namespace committee::cli
