#include "roles/token_rows.h"

#include <algorithm>

#include "base/error.h"

namespace committee::roles {
namespace {

constexpr int64_t kWaveRows = 8192;

uint64_t key_of(int32_t token, int32_t domain) {
  return static_cast<uint64_t>(static_cast<uint32_t>(token)) << 32 | static_cast<uint32_t>(domain);
}

}  // namespace

TokenRows::TokenRows(const audit::SampleReader& reader, const audit::Grouping& grouping)
    : reader_(reader),
      grouping_(grouping),
      content_only_(reader.positions() == "content" &&
                    reader.trace().manifest().recording.positions != "content"),
      index_of_sample_(reader.trace().samples().size(), -1) {
  if (!reader.has_executed()) {
    throw Error("{}: holds shares of samples, not the experts that each token ran",
                reader.trace().folder().string());
  }
  for (int64_t i = 0; i < reader.size(); ++i) index_of_sample_[reader.id(i)] = static_cast<int32_t>(i);
  index_tokens();
}

void TokenRows::index_tokens() {
  struct Seen {
    int64_t count = 0, samples = 0;
    int32_t last_sample = -1;
  };
  std::unordered_map<uint64_t, Seen> seen;
  for (int64_t shard = 0; shard < reader_.trace().shards(); ++shard) {
    const trace::RowBlock block = reader_.trace().labels(shard);
    for (int64_t r = 0; r < block.rows; ++r) {
      const int32_t sample = index_of_sample_[block.sample[r]];
      if (sample < 0 || !counts(block, r)) continue;
      Seen& entry = seen[key_of(block.token[r], grouping_.domain_of[sample])];
      ++entry.count;
      ++rows_;
      entry.samples += entry.last_sample != sample;
      entry.last_sample = sample;
    }
  }
  std::vector<uint64_t> keys;
  for (const auto& [key, entry] : seen) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  for (const uint64_t key : keys) {
    const auto token = static_cast<int32_t>(key >> 32);
    if (tokens_.empty() || tokens_.back() != token) {
      tokens_.push_back(token);
      first_pair_.push_back(static_cast<int32_t>(pairs_.size()));
      counts_.push_back(0);
    }
    const Seen& entry = seen[key];
    counts_.back() += entry.count;
    pair_of_[key] = static_cast<int32_t>(pairs_.size());
    pairs_.push_back({static_cast<int32_t>(tokens_.size()) - 1, static_cast<int32_t>(key & 0xFFFFFFFF),
                      entry.count, entry.samples});
  }
  first_pair_.push_back(static_cast<int32_t>(pairs_.size()));
}

void TokenRows::for_each_wave(const std::function<void(Wave& wave)>& visit) const {
  const trace::Trace& trace = reader_.trace();
  Wave wave;
  for (int64_t shard = 0; shard < trace.shards(); ++shard) {
    const trace::RowBlock labels = trace.labels(shard);
    for (int64_t begin = 0; begin < labels.rows;) {
      // Whole samples only.
      int64_t end = std::min(begin + kWaveRows, labels.rows);
      while (end < labels.rows && labels.sample[end] == labels.sample[end - 1]) ++end;
      wave.sample.clear();
      wave.starts.assign(1, 0);
      wave.row.clear();
      wave.pair.clear();
      for (int64_t r = begin; r < end; ++r) {
        const int32_t sample = index_of_sample_[labels.sample[r]];
        if (sample < 0 || !counts(labels, r)) continue;
        if (wave.sample.empty() || wave.sample.back() != sample) {
          wave.sample.push_back(sample);
          wave.starts.push_back(wave.starts.back());
        }
        ++wave.starts.back();
        wave.row.push_back(static_cast<int32_t>(r - begin));
        wave.pair.push_back(pair_of_.at(key_of(labels.token[r], grouping_.domain_of[sample])));
      }
      wave.block = trace.executed(shard, begin, end - begin);
      visit(wave);
      trace.drop(shard, begin, end - begin);
      begin = end;
    }
  }
}

}  // namespace committee::roles
