#pragma once

#include "trace/import.h"

namespace committee::trace {

// The rows of import_kinds(), one source file each.
ImportResult import_npy(const std::filesystem::path& input, const std::filesystem::path& output,
                        const ImportOptions& options);
ImportResult import_hf(const std::filesystem::path& input, const std::filesystem::path& output,
                       const ImportOptions& options);
ImportResult import_vllm(const std::filesystem::path& input, const std::filesystem::path& output,
                         const ImportOptions& options);
ImportResult import_sglang(const std::filesystem::path& input, const std::filesystem::path& output,
                           const ImportOptions& options);
ImportResult import_llamacpp(const std::filesystem::path& input, const std::filesystem::path& output,
                             const ImportOptions& options);
ImportResult import_esft(const std::filesystem::path& input, const std::filesystem::path& output,
                         const ImportOptions& options);
ImportResult import_reap(const std::filesystem::path& input, const std::filesystem::path& output,
                         const ImportOptions& options);

}  // namespace committee::trace
