#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "cli/flags.h"
#include "dataset/dataset.h"
#include "engine/engine.h"
#include "model/config.h"
#include "tokenizer/tokenizer.h"

namespace committee::cli {

// A data set as the engine reads it: sequences[i] is data.samples[i].
struct Prompts {
  dataset::Dataset data;
  std::vector<engine::Sequence> sequences;
  // The token of each choice's letter after the prompt, empty where a sample is not scored.
  std::vector<std::vector<int32_t>> letters;
  std::vector<std::string> warnings;
};

// Loads, renders and tokenises. Which positions are recorded follows flags.positions; letters are looked up
// where recording.score. Throws Error, naming the sample, for a prompt the model cannot read (too long, ids
// outside its vocabulary, no token at all). `tokenizer` may be nothing where every sample comes tokenised and
// none is scored.
Prompts prepare_prompts(const DataFlags& flags, const RecordingFlags& recording, uint64_t seed,
                        const model::ModelConfig& config,
                        const std::optional<tokenizer::Tokenizer>& tokenizer, ThreadPool& pool);

}  // namespace committee::cli
