#include "cli/study.h"

#include <utility>

#include "base/atomic_file.h"
#include "base/csv.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/journal.h"
#include "cli/manifest.h"
#include "cli/progress.h"
#include "report/masking.h"

namespace committee::cli {

namespace fs = std::filesystem;
using interventions::ExpertSet;
using interventions::OutcomeTable;
using interventions::Questions;

namespace {

OrderedJson description(const std::string& name, const Setup& setup, const OrderedJson& own) {
  const auto manifest =
      manifest_of(setup.flags, setup.model, setup.prompts, setup.compute == engine::Compute::kBF16);
  OrderedJson options;
  for (const auto& [option, value] : manifest.recording.options) options[option] = value;
  options["mask-mode"] = setup.flags.recording.mask_mode;
  options["positions"] = setup.flags.recording.positions;
  options.update(own);
  return {
      {"format", "committee-audit " + name},
      {"version", kVersion},
      {"command", command_line_text()},
      {"complete", false},
      {"model", {{"name", manifest.model.name}, {"fingerprint", manifest.model.fingerprint}}},
      {"data", {{"name", manifest.recording.dataset}, {"fingerprint", manifest.recording.data_fingerprint}}},
      {"options", options}};
}

void write_json(const fs::path& file, const OrderedJson& json) { write_file(file, json.dump(1) + "\n"); }

}  // namespace

Study::Study(std::string name, const OutputFlags& output, const Setup& setup, OrderedJson options)
    : name_(std::move(name)), folder_(output.out), json_(description(name_, setup, options)) {
  resumes_ = output.resume && fs::exists(folder_ / (name_ + ".json"));
  finished_ = resumes_ && holds_it_finished();
}

bool Study::holds_it_finished() const {
  const fs::path file = folder_ / (name_ + ".json");
  const Json there = read_json(file);
  if (!there.is_object() || there.value("format", "") != json_["format"])
    throw Error("{}: is no file of this command", file.string());
  for (const char* part : {"version", "model", "data", "options"}) {
    const Json want = Json(json_.at(part)), have = there.value(part, Json());
    if (want == have) continue;
    std::string changed = part;
    if (want.is_object() && have.is_object()) {
      for (const auto& [name, value] : want.items()) {
        if (have.value(name, Json()) != value) changed = fmt::format("{} \"{}\"", part, name);
      }
    }
    throw Error("{}: cannot be resumed: its {} is another; --overwrite starts anew", file.string(), changed);
  }
  return there.value("complete", false);
}

OrderedJson Study::document() const {
  return OrderedJson::parse(MappedFile(folder_ / (name_ + ".json")).text());
}

OutcomeTable Study::run(Experiment& experiment, std::span<const Arm> arms) {
  fs::create_directories(folder_);
  OutcomeTable outcomes(arms.size(), experiment.samples());
  Journal journal(folder_ / "outcomes.partial", outcomes);
  if (resumes_) {
    journal.load();
  } else {
    journal.clear();
  }
  write_json(folder_ / (name_ + ".json"), json_);
  experiment.run(arms, outcomes, [&] { journal.append(); });
  return outcomes;
}

void Study::finish(const OrderedJson& found, const Experiment& experiment) {
  const ExperimentWork& work = experiment.work();
  json_["complete"] = true;
  json_.update(found);
  json_["work"] = {{"rows", work.rows},
                   {"naive_rows", work.naive_rows},
                   {"prefix_sharing_rows", work.sharing_rows},
                   {"passes", work.passes},
                   {"resumed", resumes_}};
  write_json(folder_ / (name_ + ".json"), json_);
  fs::remove(folder_ / "outcomes.partial");
}

Questions questions_of(const Setup& setup) {
  Questions questions;
  for (const auto& sequence : setup.prompts.sequences) {
    if (!sequence.wants_logits) continue;
    const auto index = static_cast<size_t>(sequence.sample);
    const auto& sample = setup.prompts.data.samples[index];
    questions.samples.push_back(index);
    questions.domains.push_back(sample.domain);
    questions.answers.push_back(*sample.answer);
    questions.choices.push_back(static_cast<int>(sample.choices.size()));
  }
  return questions;
}

std::string outcomes_csv(const std::vector<ExpertSet>& sets, const OutcomeTable& outcomes,
                         const Questions& questions, const Setup& setup) {
  CsvWriter csv({"layer", "set", "kind", "sample", "id", "domain", "outcome", "letter", "answer",
                 "answer_logprob", "kl"});
  for (size_t v = 0; v < sets.size(); ++v) {
    for (size_t q = 0; q < questions.samples.size(); ++q) {
      const size_t s = questions.samples[q];
      const auto& outcome = *outcomes.at(v, s);
      csv.add(report::layers_text(sets[v])).add(sets[v].name).add(interventions::name_of(sets[v].kind));
      csv.add(static_cast<int64_t>(s)).add(setup.prompts.data.samples[s].id).add(questions.domains[q]);
      csv.add(interventions::kAnswerNames[static_cast<size_t>(outcome.answer)]);
      csv.add(outcome.letter).add(questions.answers[q]).add(outcome.answer_logprob).add(outcome.kl);
      csv.end_row();
    }
  }
  return csv.text();
}

OrderedJson sets_json(const std::vector<interventions::SetResult>& results) {
  OrderedJson json = OrderedJson::array();
  for (const auto& result : results) {
    OrderedJson experts = OrderedJson::object();
    for (const auto& [layer, ids] : result.set.experts) experts[std::to_string(layer)] = ids;
    json.push_back({{"name", result.set.name},
                    {"kind", interventions::name_of(result.set.kind)},
                    {"experts", experts},
                    {"control_of", result.set.target >= 0 ? OrderedJson(result.set.target) : OrderedJson()}});
  }
  return json;
}

std::vector<std::string> set_names(const std::vector<ExpertSet>& sets) {
  std::vector<std::string> names;
  for (const ExpertSet& set : sets)
    names.push_back(fmt::format("{} {} {}", set.name, report::layers_text(set), report::experts_text(set)));
  return names;
}

std::string work_sentence(const ExperimentWork& work) {
  return fmt::format("  {} rows computed; one by one {} ({} with shared prefixes)\n", work.rows,
                     work.naive_rows, work.sharing_rows);
}

std::string bullets(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) text += fmt::format("  ● {}\n", sentence);
  return text;
}

void warn_of_unscored(const Setup& setup, int64_t scored) {
  const auto left = std::ssize(setup.prompts.sequences) - scored;
  if (left > 0)
    say(setup.flags.terminal, fmt::format("warning: {} samples have no answer and are left out", left));
}

}  // namespace committee::cli
