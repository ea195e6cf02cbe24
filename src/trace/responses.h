#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "trace/array_file.h"
#include "trace/import_ids.h"

namespace committee::trace {

// The sequences that a serving engine's responses hold: JSON lines, or one JSON document. Per response, or
// per item of its "choices", "routed_experts" there, in "meta_info" or in "sglext" is
//   - base64 of an NPY file [rows, layers, k] (vLLM),
//   - base64 of flat int32 (SGLang), cut by `top_k` and by prompt_tokens + completion_tokens - 1 rows (or as
//     many as those tokens, where the engine also forwarded the last) from meta_info or usage, or
//   - a nested list [rows][layers][k].
// "id", "domain" (or "subject") of the line are used where they are there, else the file's name and the line;
// "prompt_token_ids" with the choice's "token_ids" give the tokens.
void for_each_response(const std::filesystem::path& path, const std::string& domain, std::optional<int> top_k,
                       const std::function<void(IdSample&)>& use);

// An array of ids [rows, layers, k] of any integer type. Throws Error for another type or shape.
IdSample sample_of(const NpyArray& array);

// Base64 with padding, as RFC 4648 has it; nothing where the text is not that.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace committee::trace
