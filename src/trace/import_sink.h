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

  // What a sample's rows hold: probs [rows, L, E], topk_id and topk_weight [rows, L, k], empty where the
  // recording lacks them; token -1 where the source has none.
  struct SampleRows {
    std::vector<int32_t> position, token;
    std::vector<float> probs = {};
    std::vector<uint16_t> topk_id = {};
    std::vector<float> topk_weight = {};
  };
  // The next sample, whole.
  void add(const SampleInfo& info, const SampleRows& rows);

  // The same in blocks, for samples of many rows: the rows' places first, then their values in order
  // (`position` and `token` of a block are not used).
  void begin_sample(const std::vector<int32_t>& position, const std::vector<int32_t>& token);
  void add_block(const SampleRows& block, int64_t rows);
  void end_sample(const SampleInfo& info);

  Manifest finish();

 private:
  WholeTrace trace_;
  int64_t samples_ = 0, next_row_ = 0;
};

// The k largest of `scores`, largest first, of equal ones the lower id first.
void take_top_k(std::span<const float> scores, std::span<uint16_t> ids, std::span<float> weights);

// A file's name (without its ending) as text; throws Error where it is not valid UTF-8.
std::string name_of_file(const std::filesystem::path& path);

// The same of a folder or file as the user gave it ("." and a last slash included).
std::string name_of_input(const std::filesystem::path& input);

// A file of an import and the domain it belongs to.
struct InputFile {
  std::filesystem::path path;
  std::string domain;
};

// The files with one of the endings, in the order of their paths: `input` itself where it is a file, or those
// of the folder, each a domain of its own name, and with `subfolders` also those of the folders in it, whose
// names are then the domains. Throws Error where there is none.
enum class Subfolders { kIgnored, kAreDomains };
std::vector<InputFile> input_files(const std::filesystem::path& input,
                                   std::span<const std::string_view> endings, Subfolders subfolders);

}  // namespace committee::trace
