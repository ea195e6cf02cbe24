#include "dataset/dataset.h"

#include <array>

#include "dataset/domains.h"
#include "dataset/prompt.h"
#include "sandbox.h"
#include "targets.h"

namespace committee::fuzz {

// JSONL, CSV and MMLU's CSV; what is read is also written as prompts.
void prompts(std::string_view input) {
  constexpr std::array<const char*, 3> kFiles = {"input.jsonl", "input.csv", "abstract_algebra_test.csv"};
  constexpr std::array<dataset::Format, 3> kFormats = {dataset::Format::kJsonl, dataset::Format::kCsv,
                                                       dataset::Format::kMmlu};
  const size_t choice = take_choice(input, kFiles.size());
  const auto path = put(kFiles[choice], input);
  answer([&] {
    const auto data = dataset::load({.path = path, .format = kFormats[choice]});
    for (const char* name : {"mmlu", "committee", "plain"}) {
      dataset::PromptBuilder builder({.template_name = name, .chat = "chatml"});
      for (const auto& sample : data.samples) {
        if (sample.tokens.empty()) builder.render(sample);
      }
    }
  });
}

void domains(std::string_view input) {
  const auto path = put("domains", input);
  answer([&] { dataset::DomainMap::read(path); });
}

}  // namespace committee::fuzz
