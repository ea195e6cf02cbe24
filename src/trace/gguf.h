#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace committee::trace {

// What of a GGUF file (versions 2 and 3, little-endian; github.com/ggml-org/ggml docs/gguf.md) an importance
// matrix needs: metadata that are integers or text, and F32 tensors. Views into `bytes`, which must outlive
// it.
struct Gguf {
  struct Tensor {
    std::string name;
    std::vector<int64_t> shape;  // as stored: innermost first
    std::span<const float> values;
  };

  std::map<std::string, uint64_t> integers;  // metadata of every unsigned type, and signed ones that are ≥ 0
  std::map<std::string, std::string> texts;
  std::vector<Tensor> tensors;  // the F32 ones
};

// Checks lengths, offsets and alignment before use. Throws Error naming `name` and the item.
Gguf parse_gguf(std::span<const std::byte> bytes, const std::string& name);

}  // namespace committee::trace
