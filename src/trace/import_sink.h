#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "trace/import.h"
#include "trace/whole_trace.h"

namespace committee::trace {

// Writes an import's trace sample by sample. Without finish() everything that was written is removed again.
class ImportSink {
 public:
  // max_rows as TraceWriter::create() takes it.
  ImportSink(const std::filesystem::path& output, const Manifest& manifest, std::vector<int32_t> max_rows,
             Existing existing);

  // The rows of the next sample: token -1 where the source has none; probs [rows, L, E], topk_id and
  // topk_weight [rows, L, k], empty where the recording lacks them.
  struct SampleRows {
    std::vector<int32_t> position, token;
    std::vector<float> probs;
    std::vector<uint16_t> topk_id;
    std::vector<float> topk_weight;
  };
  void add(const SampleInfo& info, const SampleRows& rows);

  Manifest finish();

 private:
  WholeTrace trace_;
  int64_t samples_ = 0;
};

// The k largest of `scores`, largest first, of equal ones the lower id first.
void take_top_k(std::span<const float> scores, std::span<uint16_t> ids, std::span<float> weights);

// A file's name (without its ending) as text; throws Error where it is not valid UTF-8.
std::string name_of_file(const std::filesystem::path& path);

// The same of a folder or file as the user gave it ("." and a last slash included).
std::string name_of_input(const std::filesystem::path& input);

// The files of a folder with that ending, by name; or the file itself. Throws Error where there is none.
std::vector<std::filesystem::path> input_files(const std::filesystem::path& input, std::string_view ending);

}  // namespace committee::trace
