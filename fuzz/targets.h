#pragma once

#include <string_view>

// The entry points of fuzzing, one a kind of input. Each takes any bytes and returns: an Error of the program
// is an answer; every other exception, a signal, more memory than the input's size allows, or a file outside
// the folder that was to be written is a finding.
//
// NAME, and how many MiB a run may take beside 64 times its input: archives may always unpack to a few.
#define COMMITTEE_FUZZ_TARGETS(X) \
  X(safetensors, 8)               \
  X(checkpoint, 8)                \
  X(config, 8)                    \
  X(tokenizer, 24)                \
  X(encode, 24)                   \
  X(prompts, 8)                   \
  X(domains, 8)                   \
  X(table, 96)                    \
  X(arrays, 24)                   \
  X(gguf, 8)                      \
  X(imports, 32)                  \
  X(trace, 16)                    \
  X(resume, 16)                   \
  X(audit, 32)

namespace committee::fuzz {

#define COMMITTEE_FUZZ_DECLARE(name, mebibytes) void name(std::string_view input);
COMMITTEE_FUZZ_TARGETS(COMMITTEE_FUZZ_DECLARE)
#undef COMMITTEE_FUZZ_DECLARE

}  // namespace committee::fuzz
