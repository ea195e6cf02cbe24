#include "base/json.h"
#include "model/checkpoint.h"
#include "model/config.h"
#include "model/safetensors.h"
#include "model/summary.h"
#include "sandbox.h"
#include "targets.h"

namespace committee::fuzz {

void safetensors(std::string_view input) {
  const auto path = put("input.safetensors", input);
  answer([&] {
    const auto file = model::SafetensorsFile::open(path);
    size_t sum = 0;
    for (const auto& tensor : file.tensors()) {
      if (tensor.bytes > 0)
        sum += static_cast<size_t>(tensor.data[0]) + static_cast<size_t>(tensor.data[tensor.bytes - 1]);
      if (file.find(tensor.name) != &tensor) std::abort();
    }
    use(static_cast<double>(sum));
  });
}

// An index beside two shards.
void checkpoint(std::string_view input) {
  constexpr std::string_view kHeader = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}} )";
  static const std::string shard = std::string("\x38\0\0\0\0\0\0\0", 8) + std::string(kHeader) + "  x";
  static const bool ready = [] {
    put("one.safetensors", shard);
    put("two.safetensors", shard);
    return true;
  }();
  if (!ready) return;
  put("model.safetensors.index.json", input);
  answer([&] { model::Checkpoint::open(sandbox()); });
}

void config(std::string_view input) {
  answer([&] {
    const auto config = model::parse_config(parse_json(input, "config.json"), "config.json");
    model::count_parameters(config);
  });
}

}  // namespace committee::fuzz
