#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "audit/grouping.h"
#include "audit/sample_reader.h"

namespace committee::roles {

// The audited tokens of a trace by what they are: which strings occur in which domains, and the rows
// themselves in waves of whole samples. Rows whose token is unknown (-1) are left out. Only the tables of
// distinct tokens are kept in memory.
class TokenRows {
 public:
  // Reader and grouping must outlive this. Throws Error where the trace does not name the executed experts.
  TokenRows(const audit::SampleReader& reader, const audit::Grouping& grouping);

  // A token in a domain, ascending by token, then domain.
  struct Pair {
    int32_t token = 0, domain = 0;  // indices into tokens() and the grouping's domains
    int64_t count = 0, samples = 0;
  };
  std::span<const int32_t> tokens() const { return tokens_; }  // [V] distinct ids, ascending
  std::span<const Pair> pairs() const { return pairs_; }       // [P]
  std::span<const int64_t> counts() const { return counts_; }  // [V] occurrences
  // The first pair of each token, and the end: [V + 1].
  std::span<const int32_t> first_pair() const { return first_pair_; }
  int64_t rows() const { return rows_; }
  const audit::SampleReader& reader() const { return reader_; }
  const audit::Grouping& grouping() const { return grouping_; }

  // Rows of some samples, each sample's together.
  struct Wave {
    trace::RowBlock block;
    std::vector<int32_t> sample;  // [samples] index in the reader
    std::vector<int32_t> starts;  // [samples + 1] into `row` and `pair`
    std::vector<int32_t> row;     // [rows] of the block
    std::vector<int32_t> pair;    // [rows] index into pairs()
  };
  void for_each_wave(const std::function<void(Wave& wave)>& visit) const;

 private:
  void index_tokens();
  bool counts(const trace::RowBlock& block, int64_t row) const {
    return block.token[row] >= 0 && (!content_only_ || block.content[row] != 0);
  }

  const audit::SampleReader& reader_;
  const audit::Grouping& grouping_;
  bool content_only_;
  std::vector<int32_t> index_of_sample_;  // of the trace → of the reader, -1: has no audited row
  std::vector<int32_t> tokens_, first_pair_;
  std::vector<Pair> pairs_;
  std::vector<int64_t> counts_;
  std::unordered_map<uint64_t, int32_t> pair_of_;  // token id and domain → index
  int64_t rows_ = 0;
};

}  // namespace committee::roles
