// make_seeds FIXTURES OUT: a corpus for every target, OUT/TARGET, from the tests' fixtures.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "audit/audit.h"
#include "base/csv.h"
#include "report/audit_files.h"
#include "small_trace.h"
#include "trace/import.h"
#include "trace/reader.h"

namespace committee::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargest = 64 << 10;
constexpr const char* kMark = "--8<--\n";

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Corpus {
 public:
  explicit Corpus(fs::path out) : out_(std::move(out)) {}

  void add(const std::string& target, const std::string& bytes) {
    if (bytes.size() > kLargest) return;
    fs::create_directories(out_ / target);
    std::ofstream(out_ / target / ("seed-" + std::to_string(count_++)), std::ios::binary) << bytes;
  }

 private:
  fs::path out_;
  int count_ = 0;
};

// The lines of a file as inputs of their own, the first `most` of them.
std::vector<std::string> lines_of(const fs::path& path, size_t most) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; lines.size() < most && std::getline(file, line);) lines.push_back(line);
  return lines;
}

void add_by_ending(const fs::path& fixtures, Corpus& corpus) {
  for (const auto& entry : fs::recursive_directory_iterator(fixtures)) {
    if (!entry.is_regular_file()) continue;
    const fs::path& path = entry.path();
    const std::string name = path.filename().string(), bytes = read(path);
    if (name == "config.json") corpus.add("config", bytes);
    if (name == "tokenizer.json") corpus.add("tokenizer", bytes + kMark + "text <s> \n 12");
    if (name == "model.safetensors.index.json") corpus.add("checkpoint", bytes);
    if (path.extension() == ".safetensors") corpus.add("safetensors", bytes);
    if (path.extension() == ".safetensors") corpus.add("arrays", "\x03" + bytes);
    if (path.extension() == ".npz") corpus.add("arrays", "\x01" + bytes);
    if (path.extension() == ".npy") corpus.add("arrays", std::string(1, '\0') + bytes);
    if (path.extension() == ".npy") corpus.add("arrays", "\x02" + bytes);
    if (path.extension() == ".gguf") corpus.add("gguf", bytes);
    if (path.extension() == ".jsonl" && bytes.size() < kLargest)
      corpus.add("prompts", std::string(1, '\0') + bytes);
    if (path.extension() == ".csv") {
      corpus.add("prompts", "\x01" + bytes);
      corpus.add("prompts", "\x02" + bytes);
      corpus.add("table", std::string(1, '\0') + bytes);
      corpus.add("domains", bytes);
    }
  }
}

void add_tokenizers(const fs::path& fixtures, Corpus& corpus) {
  for (const auto& line : lines_of(fixtures / "tokenizer/variants.jsonl", 200)) {
    const Json variant = parse_json(line, "variants.jsonl");
    for (const auto& [key, value] : variant.items()) {
      if (value.is_object() && value.contains("model")) corpus.add("tokenizer", value.dump() + kMark + "a b");
    }
  }
  for (const auto& line : lines_of(fixtures / "tokenizer/encodings.jsonl", 60)) {
    const Json encoding = parse_json(line, "encodings.jsonl");
    for (const auto& [key, value] : encoding.items()) {
      if (!value.is_string()) continue;
      for (char rule = 0; rule < 3; ++rule) corpus.add("encode", rule + value.get<std::string>());
    }
  }
}

// Kind and ending as the first bytes of the target `imports` choose them.
void add_imports(const fs::path& fixtures, Corpus& corpus) {
  const auto add = [&](char kind, char ending, const std::string& bytes) {
    corpus.add("imports", std::string{kind, ending} + bytes);
  };
  const auto folder = fixtures / "trace";
  add(1, 5, "\x03" + read(folder / "hf/masked.safetensors"));
  add(1, 5, "\x01" + read(folder / "hf/softmaxed.npz"));
  add(2, 5, std::string(1, '\0') + read(folder / "vllm/drama.npy"));
  add(2, 1, read(folder / "vllm/responses.jsonl"));
  add(3, 5, "\x01" + read(folder / "sglang/stat.npz"));
  add(3, 2, read(folder / "sglang/counts.csv"));
  add(3, 1, read(folder / "sglang/responses.jsonl"));
  add(4, 3, read(folder / "llamacpp/imatrix.gguf"));
  add(4, 0, read(folder / "llamacpp/expert_stats.json"));
  add(5, 4, "0.25\t0.5\t0.125\t0.125\n0.5\t0.25\t0.125\t0.125\n");
  add(5, 0, R"({"drama":{"1":[0.25,0.5,0.125,0.125]}})");
  add(6, 0, R"({"1":{"total_tokens":10,"expert_frequency":[9,1,4,6]}})");
  add(0, 5, std::string(1, '\0') + read(fixtures / "audit/synthetic/input/algebra.npy"));
}

void add_tables(Corpus& corpus) {
  corpus.add("table",
             std::string(1, '\0') +
                 "domain,idx,topk_mean,topk_values,topk_indices\nlaw,1,0.5,\"[0.5, 0.25]\",\"[3, 1]\"\n"
                 "art,1,0.5,\"[0.5, 0.25]\",\"[3, 2]\"\n");
  corpus.add("table", std::string(1, '\0') +
                          "layer,domain,expert,weight,rank\n1,law,3,0.5,1\n1,law,1,0.25,2\n1,art,3,0.5,1\n");
  corpus.add(
      "table",
      std::string("\x02") +
          R"(<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><t>idx</t></is></c>)"
          R"(<c r="C1" t="inlineStr"><is><t>topk_values</t></is></c><c r="D1" t="inlineStr"><is><t>topk_indices</t></is></c></row>)"
          R"(<row r="2"><c r="A2" t="s"><v>1</v></c><c r="B2"><v>1</v></c><c r="C2" t="str"><v>[0.5, 0.25]</v></c>)"
          R"(<c r="D2" t="str"><v>[3, 1]</v></c></row></sheetData></worksheet>)" +
          kMark + "<sst><si><t>domain</t></si><si><r><t>la</t></r><r><t>w</t></r></si></sst>");
}

// A trace of two shards and its audit.
void add_trace(const fs::path& fixtures, const fs::path& scratch, Corpus& corpus) {
  const auto folder = scratch / "trace";
  trace::import_trace("npy", fixtures / "audit/synthetic/input", folder,
                      {.existing = trace::Existing::kOverwrite, .top_k = 4});
  const auto trace = trace::Trace::open(folder);
  audit::AuditOptions options;
  options.bootstrap = options.permutations = options.expert_shuffles = 3;
  corpus.add("audit", report::audit_json(audit::audit(trace, options)));
  options.bootstrap = options.permutations = options.expert_shuffles = 0;
  corpus.add("audit", report::audit_json(audit::audit(trace, options)));

  const auto small = scratch / "small";
  const auto text = [&](const char* name) { return read(small / name); };
  const auto writer = trace::TraceWriter::create(small, small_manifest(), small_rows(),
                                                 trace::Existing::kOverwrite, small_shards());
  for (int32_t sample = 0; sample < kSmallSamples; ++sample) {
    record_small(*writer, sample);
    if (sample + 1 == kSmallSamples) continue;
    // What a kill leaves, up to here.
    corpus.add("resume", text("trace.json") + kMark + kMark + text("records-00001.safetensors") + kMark +
                             kMark + text("records-00001.json"));
  }
  writer->finish();
  const std::string whole = text("trace.json") + kMark + text("samples.jsonl") + kMark +
                            text("records-00001.safetensors") + kMark + text("records-00002.safetensors");
  corpus.add("trace", whole);
  corpus.add("resume", whole);
}

}  // namespace
}  // namespace committee::fuzz

int main(int argc, char** argv) {
  using namespace committee::fuzz;
  if (argc != 3) return 2;
  const fs::path fixtures = argv[1], out = argv[2];
  Corpus corpus(out);
  add_by_ending(fixtures, corpus);
  add_tokenizers(fixtures, corpus);
  add_imports(fixtures, corpus);
  add_tables(corpus);
  add_trace(fixtures, out / "scratch", corpus);
  fs::remove_all(out / "scratch");
  corpus.add("domains", "subject,domain\nlaw,Law\n# nothing\nart,Art\n");
  corpus.add("domains", R"({"law":"Law","art":"Art"})");
  corpus.add("checkpoint", R"({"weight_map":{"a":"one.safetensors"}})");
  corpus.add("safetensors", std::string("\x38\0\0\0\0\0\0\0", 8) +
                                R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}   x)");
  return 0;
}
