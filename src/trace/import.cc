#include "trace/import.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "trace/import_kinds.h"

namespace committee::trace {
namespace {

constexpr std::array<ImportKind, 7> kKinds = {{
    {"npy", "a folder of DOMAIN.npy arrays [samples, layers, experts]", import_npy},
    {"hf", "Hugging Face router_logits, one array a layer: .safetensors or .npz", import_hf},
    {"vllm", "vLLM routed_experts: .npy [tokens, layers, k], or responses as JSON lines", import_vllm},
    {"sglang",
     "SGLang: logical_count (.npy .npz .safetensors .json), layer_id,expert_id,count (.csv), or responses",
     import_sglang},
    {"llamacpp", "llama.cpp: importance matrix (.gguf) or expert_stats.json", import_llamacpp},
    {"esft", "ESFT: folders of expert_weights_LAYER.txt, or summary.json", import_esft},
    {"reap", "REAP observations: expert_frequency a layer (.json .npz .safetensors)", import_reap},
}};

}  // namespace

std::span<const ImportKind> import_kinds() { return kKinds; }

ImportResult import_trace(std::string_view kind, const std::filesystem::path& input,
                          const std::filesystem::path& output, const ImportOptions& options) {
  const auto found =
      std::find_if(kKinds.begin(), kKinds.end(), [&](const ImportKind& known) { return kind == known.name; });
  if (found == kKinds.end()) {
    std::vector<std::string_view> names;
    for (const auto& known : kKinds) names.push_back(known.name);
    throw Error("\"{}\" is no kind of import; known are {}", kind, fmt::join(names, ", "));
  }
  if (options.rows && kind != "npy") throw Error("import --from {} takes no --rows", kind);
  return found->run(input, output, options);
}

}  // namespace committee::trace
