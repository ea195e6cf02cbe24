#include <array>
#include <charconv>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "trace/gguf.h"
#include "trace/import_counts.h"
#include "trace/import_kinds.h"
#include "trace/import_sink.h"
#include "trace/layer_json.h"

namespace committee::trace {
namespace {

// Tensors of one layer that all count the same executions, the preferred first.
constexpr std::array<std::string_view, 4> kExpertTensors = {"ffn_gate_exps", "ffn_up_exps",
                                                            "ffn_gate_up_exps", "ffn_down_exps"};

// "blk.12.ffn_gate_exps.weight.counts" gives 12 and 0; nothing for other tensors.
struct CountsName {
  int layer = 0;
  size_t preference = 0;
};
std::optional<CountsName> parse_name(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.", kSuffix = ".weight.counts";
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  name.remove_suffix(kSuffix.size());
  CountsName result;
  const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), result.layer);
  if (problem != std::errc() || result.layer < 0 || result.layer > 1'000'000) return std::nullopt;
  name.remove_prefix(static_cast<size_t>(end - name.data()));
  for (const auto& tensor : kExpertTensors) {
    if (name.size() == tensor.size() + 1 && name[0] == '.' && name.substr(1) == tensor) return result;
    ++result.preference;
  }
  return std::nullopt;
}

DomainCounts counts_of_imatrix(const InputFile& input) {
  const MappedFile file(input.path);
  DomainCounts domain{.domain = input.domain, .file = input.path.string(), .layers = {}};
  const auto gguf = parse_gguf(file.bytes(), domain.file);
  std::map<int, size_t> preference;
  for (const auto& tensor : gguf.tensors) {
    const auto name = parse_name(tensor.name);
    if (!name) continue;
    const auto known = preference.find(name->layer);
    if (known != preference.end() && known->second <= name->preference) continue;
    if (tensor.values.size() < 2) {
      throw Error("{}: \"{}\" has one count for all experts: made by a version that did not tell them apart",
                  domain.file, tensor.name);
    }
    preference[name->layer] = name->preference;
    domain.layers[name->layer].assign(tensor.values.begin(), tensor.values.end());
  }
  if (domain.layers.empty()) {
    throw Error(
        "{}: has no \"blk.N.ffn_gate_exps.weight.counts\": not an importance matrix of a mixture of experts",
        domain.file);
  }
  const auto chunks = gguf.integers.find("imatrix.chunk_count"),
             size = gguf.integers.find("imatrix.chunk_size");
  if (chunks != gguf.integers.end() && size != gguf.integers.end()) {
    domain.tokens = static_cast<double>(chunks->second) * static_cast<double>(size->second);
  }
  return domain;
}

}  // namespace

ImportResult import_llamacpp(const std::filesystem::path& input, const std::filesystem::path& output,
                             const ImportOptions& options) {
  constexpr std::string_view kEndings[] = {".gguf", ".json", ".dat"};
  std::vector<DomainCounts> domains;
  for (const auto& file : input_files(input, kEndings, Subfolders::kAreDomains)) {
    domains.push_back(file.path.extension() == ".json" ? counts_of_layer_json(file, "activation_counts")
                                                       : counts_of_imatrix(file));
  }
  return import_counts("llamacpp", input, output, options, std::move(domains));
}

}  // namespace committee::trace
