#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/buffer.h"
#include "engine/machine.h"

namespace committee::engine {

// Rows [begin, begin + count) of the keys and values.
struct KeyRange {
  int64_t begin = 0, count = 0;
};

// Query rows [row, row + rows), consecutive tokens of a sequence: row i sees every key of `context` and the
// keys own_begin .. own_begin + own_before + i, its own the last of them.
struct QuerySpan {
  int64_t row = 0, rows = 0;
  std::vector<KeyRange> context;
  int64_t own_begin = 0, own_before = 0;
};

struct AttentionShape {
  int heads = 0, kv_heads = 0;  // each key-value head serves heads / kv_heads query heads
  int qk_dim = 0, v_dim = 0;    // of a head
  double scale = 0;             // of the scores
};

// Keys or values, head after head: row r of head h is `first`'s row r, `head_stride` elements times h
// further.
struct HeadRows {
  Matrix first;
  int64_t head_stride = 0;

  void* at(int64_t row, int64_t head) const { return first.at(row, head * head_stride); }
  explicit operator bool() const { return first.data != nullptr; }
};

// Keys and values are read in blocks: up to this many rows past a range may be read (not used), so that many
// rows must exist, finite, behind the last key of the last head.
inline constexpr int64_t kKeySlack = 256;

// out[r, h] = Σ_j softmax_j(scale · q[r, h]·k[j]) v[j] over the keys that r sees. q [rows, heads·qk_dim],
// k [kv_heads][.., qk_dim], v [kv_heads][.., v_dim] and out [rows, heads·v_dim] are in the machine's format.
// The softmax streams over blocks of keys in float32. Blocks and products are cut by places in the sequence,
// never by where ranges or spans begin, so that a token's result does not depend, to the bit, on what else is
// in the batch.
void attend(Machine& machine, const AttentionShape& shape, std::span<const QuerySpan> spans, const Matrix& q,
            const HeadRows& k, const HeadRows& v, const Matrix& out);

}  // namespace committee::engine
