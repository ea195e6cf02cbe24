#pragma once

#include <span>

#include "audit/grouping.h"
#include "audit/layer_figures.h"
#include "audit/result.h"
#include "audit/tile_matrix.h"
#include "base/thread_pool.h"

namespace committee::audit {

// METHOD 9's expert shuffle of one layer: every sample's expert ids permuted at random, so that no committee
// can exist, and what the committee rule finds then. A replicate's permutation of a sample is a random cyclic
// shift of a uniform permutation that is drawn anew every 250 replicates; both together are uniform, and what
// two replicates make of an expert is as independent as if all were drawn anew.
class ExpertShuffle {
 public:
  // `layer` separates the random streams of layers.
  ExpertShuffle(const SortedGrouping& sorted, const Rules& rules, int replicates, int layer, uint64_t seed);

  // Adds the samples at the places of `block`, whose contributions are those rows; in any order of blocks.
  void add(const TileMatrix& contributions, RowRange block, ThreadPool& pool);

  // `specific` as layer_figures takes it.
  ShuffleBaseline baseline(std::span<const int> specific, ThreadPool& pool);

  // Bytes that one takes.
  static int64_t bytes(const SortedGrouping& sorted, const Rules& rules, int replicates);

 private:
  struct Rows;
  void permute(const TileMatrix& contributions, int64_t place, int64_t slot, int epoch, int count,
               Rows& rows) const;
  void add_part(const Rows& rows, int64_t begin, RowRange slots, int first, RowRange replicates);

  const SortedGrouping& sorted_;
  Rules rules_;
  int replicates_, layer_;
  uint64_t seed_;
  size_t experts_, domains_;
  std::vector<double> sums_;  // [R, T, E]
};

}  // namespace committee::audit
