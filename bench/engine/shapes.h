#pragma once

#include <filesystem>
#include <string>

namespace committee::bench {

// Writes a BF16 checkpoint of a real model's sizes with random weights, the same ones for the same arguments:
// "olmoe" (OLMoE-1B-7B), "qwen3" (Qwen3-30B-A3B) or "deepseek" (DeepSeek-V2-Lite, the first layer dense).
// Returns `folder`; what is there already is kept when it has the right size. Throws Error for an unknown
// shape.
std::filesystem::path make_checkpoint(const std::string& shape, int layers,
                                      const std::filesystem::path& folder);

}  // namespace committee::bench
