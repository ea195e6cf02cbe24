#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace committee::trace {

inline constexpr int kFormatVersion = 1;

// What a row holds of the routing: the full distribution and the executed experts, or those alone.
enum class Record { kFull, kTopK };
enum class FloatType { kF32, kF16 };

// What a row holds of the executed experts. A capture has ids and weights; recorders of other programs often
// have ids only; sources of counts and shares have neither.
enum class Executed { kIdsAndWeights, kIds, kNone };

// trace.json's "model": what the records are about.
struct ModelInfo {
  std::string name, model_type, fingerprint;
  std::vector<int> moe_layers;  // the checkpoint's own layer ids, ascending
  int experts = 0, top_k = 0, shared_experts = 0;
  std::string router_score = "softmax";  // or "sigmoid_normalized"
  bool norm_topk_prob = false;
};

// One point of the curve by which adaptive sampling stopped (METHOD 10): after so many samples, the share of
// layers whose bootstrap committees agree, and the agreement's mean over layers.
struct StabilityPoint {
  int64_t samples = 0;
  double stable_layers = 0, agreement = 0;
};

// "data" and "recording": how the records were made. `allowed_eci` names the --eci kinds that the source
// supports; the others must be refused by name.
//
// Where `executed` is kNone the rows are vectors of counts or shares, not distributions of tokens: `probs`
// are the shares of a sample's slots that each expert got (a layer sums to 1), one row a sample, positions
// "sample". `routing` takes them as they are (where allowed); `frequency` is top_k · probs, since each token
// fills top_k slots; no executed set exists.
struct RecordingInfo {
  std::string dataset, prompt_template,
      positions = "last";  // last, all, content, generated; or "sample" for imports of sample means
  Record record = Record::kFull;
  FloatType dtype = FloatType::kF32;
  std::vector<std::string> allowed_eci = {"routing", "executed", "frequency", "reference"};
  std::vector<std::pair<std::string, std::string>>
      options;                     // every option that shaped the records, name and value
  std::string source = "capture";  // or the import's kind
  Executed executed = Executed::kIdsAndWeights;
  std::string data_fingerprint;            // of the samples and their order: fingerprint.h
  std::vector<std::string> group_columns;  // names in SampleInfo::columns
  int sample_rows_bound =
      0;  // the most rows of any sample where that is what max_rows said of each (generated)
  std::vector<StabilityPoint> stability;  // ascending; empty unless --until-stable
};

// One line of samples.jsonl.
struct SampleInfo {
  std::string id = {}, domain = {}, subject = {};
  int64_t tokens = 0;  // of the prompt; 0 where an import's source does not say
  std::vector<std::pair<std::string, std::string>> columns = {};  // usable by --group-by
  std::optional<int> answer = {};
  std::vector<double> answer_logprobs = {};
  std::optional<int32_t> argmax_token = {};
  std::string outcome = {};  // correct, wrong, no_answer; empty where not scored
};

// A file of records: the rows of `samples` consecutive samples.
struct ShardInfo {
  std::string file = {};
  int64_t rows = 0, bytes = 0;
  std::string checksum = {};  // XXH3 (64 bits) of the file, 16 hex digits
  int64_t samples = 0;
};

struct Manifest {
  ModelInfo model;
  RecordingInfo recording;
  std::vector<ShardInfo> shards;
  int64_t samples = 0;
  bool complete = false;
  std::vector<std::string> domains;  // in order of first appearance
  std::string tool_version;          // of the program that wrote it
};

}  // namespace committee::trace
