#include "cli/prompts.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.h"
#include "dataset/prompt.h"

namespace committee::cli {
namespace {

using dataset::Prompt;
using dataset::Sample;
using engine::Sequence;
using tokenizer::Encoding;
using tokenizer::Tokenizer;

dataset::Dataset load_data(const DataFlags& flags, uint64_t seed, bool split_given) {
  dataset::DataOptions options;
  options.path = flags.data;
  options.format = dataset::format_named(flags.format);
  if (split_given) options.split = flags.split;
  if (flags.limit > 0) options.limit = flags.limit;
  if (flags.round > 0) options.round = flags.round;
  options.seed = seed;
  if (!flags.domains.empty()) options.domains = flags.domains;
  options.group_by = flags.group_by;
  return dataset::load(options);
}

// 1 for every token that has a byte of the sample's own text; tokens the tokenizer adds itself have none.
std::vector<uint8_t> content_flags(const Encoding& encoding, const Prompt& prompt) {
  std::vector<uint8_t> flags(encoding.ids.size(), 0);
  size_t range = 0;
  for (size_t i = 0; i < flags.size(); ++i) {
    while (range < prompt.content.size() && prompt.content[range].second <= encoding.begin[i]) ++range;
    if (range < prompt.content.size() && encoding.begin[i] < encoding.end[i]) {
      flags[i] = prompt.content[range].first < encoding.end[i];
    }
  }
  return flags;
}

// Keeps the last `limit` tokens and, before them, the tokens that the tokenizer put in front of the text.
void cut_front(Sequence& sequence, const Encoding& encoding, size_t limit) {
  size_t kept = 0;
  while (kept < limit && encoding.begin[kept] == encoding.end[kept]) ++kept;
  const auto from = static_cast<ptrdiff_t>(kept);
  const auto to = from + static_cast<ptrdiff_t>(sequence.tokens.size() - limit);
  sequence.tokens.erase(sequence.tokens.begin() + from, sequence.tokens.begin() + to);
  sequence.content.erase(sequence.content.begin() + from, sequence.content.begin() + to);
}

std::vector<int32_t> recorded_positions(const std::string& positions, const Sequence& sequence) {
  const auto size = static_cast<int32_t>(sequence.tokens.size());
  if (positions == "last") return {size - 1};
  std::vector<int32_t> recorded;
  if (positions == "generated") return recorded;
  for (int32_t i = 0; i < size; ++i) {
    if (positions == "all" || sequence.content[static_cast<size_t>(i)] != 0) recorded.push_back(i);
  }
  return recorded;
}

// The first token of " A" after a prompt (METHOD 8), by the prompt's last line: what stands before it does
// not reach across the line break.
class Letters {
 public:
  explicit Letters(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  std::vector<int32_t> after(const std::string& prompt, const std::vector<std::string>& labels) {
    const std::string tail = prompt.substr(prompt.find_last_of('\n') + 1);
    std::vector<int32_t> tokens;
    tokens.reserve(labels.size());
    for (const auto& label : labels) {
      auto [at, is_new] = cache_.try_emplace({tail, label}, 0);
      if (is_new) at->second = first_token(tail, " " + label);
      tokens.push_back(at->second);
    }
    return tokens;
  }

 private:
  int32_t first_token(const std::string& tail, const std::string& answer) const {
    const auto none = tokenizer::SpecialTokens::kNone;
    const auto before = tokenizer_.encode(tail, none).ids, whole = tokenizer_.encode(tail + answer, none).ids;
    const bool continues =
        whole.size() > before.size() && std::equal(before.begin(), before.end(), whole.begin());
    return continues ? whole[before.size()] : tokenizer_.encode(answer, none).ids.at(0);
  }

  const Tokenizer& tokenizer_;
  std::map<std::pair<std::string, std::string>, int32_t> cache_;
};

void check_readable(const Sequence& sequence, const std::string& where, const model::ModelConfig& config) {
  if (sequence.tokens.empty()) throw Error("{}: the prompt has no token", where);
  if (std::cmp_greater(sequence.tokens.size(), config.max_positions)) {
    throw Error(
        "{}: the prompt has {} tokens, the model reads {}; --max-tokens cuts longer prompts at the front",
        where, sequence.tokens.size(), config.max_positions);
  }
  for (const int32_t token : sequence.tokens) {
    if (token < 0 || token >= config.vocab) {
      throw Error("{}: token id {} is outside the model's vocabulary of {}", where, token, config.vocab);
    }
  }
}

// All prompts end in one token: whatever is found at the last position may be that token's own routing.
void warn_of_one_ending(const Prompts& prompts, const RecordingFlags& recording, const DataFlags& data,
                        std::vector<std::string>& warnings) {
  if (recording.positions != "last" || prompts.sequences.size() < 2) return;
  const int32_t token = prompts.sequences.front().tokens.back();
  const bool same = std::all_of(prompts.sequences.begin(), prompts.sequences.end(),
                                [&](const Sequence& s) { return s.tokens.back() == token; });
  if (!same) return;
  warnings.push_back(
      fmt::format("every prompt ends in the same token (id {}){}: what the last position shares may be that "
                  "token's own routing; "
                  "compare with --positions content",
                  token, data.chat.empty() ? "" : ", the chat wrapper's"));
}

}  // namespace

Prompts prepare_prompts(const DataFlags& flags, const RecordingFlags& recording, uint64_t seed,
                        const model::ModelConfig& config, const std::optional<Tokenizer>& tokenizer,
                        ThreadPool& pool) {
  Prompts prompts;
  prompts.data = load_data(flags, seed, flags.split != DataFlags().split);
  prompts.warnings = prompts.data.warnings;
  const auto& samples = prompts.data.samples;
  const size_t count = samples.size();
  prompts.sequences.resize(count);
  prompts.letters.resize(count);

  dataset::PromptOptions prompt_options{flags.prompt_template, flags.shots, flags.data, std::nullopt,
                                        flags.chat};
  if (!flags.shots_from.empty()) prompt_options.shots_from = flags.shots_from;
  dataset::PromptBuilder builder(prompt_options);
  std::vector<Prompt> rendered(count);
  std::optional<Letters> letters;
  if (tokenizer) letters.emplace(*tokenizer);
  for (size_t i = 0; i < count; ++i) {
    const Sample& sample = samples[i];
    const bool scored = recording.score && sample.multiple_choice() && sample.answer;
    if ((scored || !sample.tokenised()) && !tokenizer) {
      throw Error("{}: the model has no tokenizer.json, which a text{} needs", prompts.data.where(sample),
                  scored ? " or a score" : "");
    }
    if (!sample.tokenised()) rendered[i] = builder.render(sample);
    if (scored) prompts.letters[i] = letters->after(rendered[i].text, choice_labels(sample));
  }

  const auto limit = static_cast<size_t>(recording.max_tokens);
  std::vector<uint8_t> cut(count, 0);
  pool.for_each(static_cast<int64_t>(count), [&](int64_t index, int) {
    const auto i = static_cast<size_t>(index);
    const Sample& sample = samples[i];
    Sequence& sequence = prompts.sequences[i];
    Encoding encoding;
    if (sample.tokenised()) {
      encoding.ids = sample.tokens;
      encoding.begin.assign(sample.tokens.size(), 0);
      encoding.end.assign(sample.tokens.size(), 1);
      sequence.content.assign(sample.tokens.size(), 1);
    } else {
      encoding = tokenizer->encode(rendered[i].text);
      sequence.content = content_flags(encoding, rendered[i]);
    }
    sequence.sample = static_cast<int32_t>(i);
    sequence.tokens = encoding.ids;
    if (cut[i] = limit > 0 && sequence.tokens.size() > limit; cut[i]) cut_front(sequence, encoding, limit);
    check_readable(sequence, fmt::format("{} (sample \"{}\")", prompts.data.where(sample), sample.id),
                   config);
    sequence.recorded = recorded_positions(recording.positions, sequence);
    sequence.wants_logits = !prompts.letters[i].empty();
    rendered[i] = {};
  });

  if (const auto n = std::accumulate(cut.begin(), cut.end(), int64_t{0}); n > 0) {
    prompts.warnings.push_back(fmt::format("{} of {} prompts were longer than {} tokens and cut at the front",
                                           n, count, recording.max_tokens));
  }
  warn_of_one_ending(prompts, recording, flags, prompts.warnings);
  return prompts;
}

}  // namespace committee::cli
