#include "base/error.h"
#include "trace/array_file.h"
#include "trace/import_ids.h"
#include "trace/import_kinds.h"
#include "trace/import_sink.h"
#include "trace/responses.h"

namespace committee::trace {

ImportResult import_vllm(const std::filesystem::path& input, const std::filesystem::path& output,
                         const ImportOptions& options) {
  constexpr std::string_view kEndings[] = {".npy", ".json", ".jsonl"};
  const auto files = input_files(input, kEndings, Subfolders::kAreDomains);
  return import_ids("vllm", input, output, options, [&](const std::function<void(IdSample&)>& use) {
    for (const auto& [path, domain] : files) {
      if (path.extension() != ".npy") {
        for_each_response(path, domain, options.top_k, use);
        continue;
      }
      const auto file = ArrayFile::open(path);
      auto sample = sample_of(file.arrays().front());
      sample.domain = domain;
      sample.id = name_of_file(path);
      if (sample.id != domain) sample.id = domain + "/" + sample.id;
      use(sample);
    }
  });
}

}  // namespace committee::trace
