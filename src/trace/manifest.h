#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace committee::trace {

enum class Record { kFull, kTopK };
enum class FloatType { kF32, kF16 };

// trace.json's "model": what the records are about.
struct ModelInfo {
  std::string name, model_type, fingerprint;
  std::vector<int> moe_layers;  // the checkpoint's own layer ids, ascending
  int experts = 0, top_k = 0, shared_experts = 0;
  std::string router_score = "softmax";  // or "sigmoid_normalized"
  bool norm_topk_prob = false;
};

// "data" and "recording": how the records were made. `allowed` names the --eci kinds that the source
// supports.
struct RecordingInfo {
  std::string dataset, prompt_template,
      positions = "last";  // last, all, content, generated; or "sample" for imports of sample means
  Record record = Record::kFull;
  FloatType dtype = FloatType::kF32;
  std::vector<std::string> allowed_eci = {"routing", "executed", "frequency"};
  std::vector<std::pair<std::string, std::string>>
      options;                     // every option that shaped the records, name and value
  std::string source = "capture";  // or the import's kind
};

// One line of samples.jsonl.
struct SampleInfo {
  std::string id, domain, subject;
  int64_t tokens = 0;
  std::vector<std::pair<std::string, std::string>> columns;  // usable by --group-by
  std::optional<int> answer;
  std::vector<double> answer_logprobs;
  std::optional<int32_t> argmax_token;
  std::string outcome;  // correct, wrong, no_answer; empty where not scored
};

struct ShardInfo {
  std::string file;
  int64_t rows = 0, bytes = 0;
  std::string checksum;  // XXH3 of the file, 16 hex digits
};

struct Manifest {
  ModelInfo model;
  RecordingInfo recording;
  std::vector<ShardInfo> shards;
  int64_t samples = 0;
  bool complete = false;
};

}  // namespace committee::trace
