#include "engine/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/ops.h"

namespace committee::engine {
namespace {

constexpr int64_t kQueryBlock = 256;  // rows of a product: query rows times the heads that share keys
constexpr int64_t kKeyBlock = 256;
constexpr int64_t kKeyUnit = 32;  // keys of a product are a multiple of these
constexpr int64_t kSplit = 64;    // keys that the first half of a block must be spared to be computed alone
static_assert(kKeySlack >= kKeyBlock);
constexpr float kNothing = -std::numeric_limits<float>::infinity();

int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

int64_t context_keys(const QuerySpan& span) {
  int64_t keys = span.own_before;
  for (const KeyRange& range : span.context) keys += range.count;
  return keys;
}

// Some query rows of a span, for one key-value head: those at places of the sequence in one block of queries.
struct Task {
  const QuerySpan* span = nullptr;
  int64_t first = 0, rows = 0;  // of the span
  int64_t place = 0;            // of the first in its sequence, which is how many keys come before its own
  int64_t block_end = 0, block_rows = 0;  // the place at which the block of queries ends, and its query rows
  int head = 0;                           // of keys and values
  int64_t cost = 0;
};

// The keys that a task sees, in the order of the sequence, as stretches of memory.
std::vector<KeyRange> stretches(const Task& task) {
  std::vector<KeyRange> ranges = task.span->context;
  ranges.push_back({task.span->own_begin, task.span->own_before + task.first + task.rows});
  return ranges;
}

struct Rows {
  const void* data = nullptr;
  int64_t stride = 0;
};

// The streaming softmax of one task: scores of a block of keys, then the values weighted by them.
class Block {
 public:
  Block(Worker& worker, const AttentionShape& shape, const Task& task, const Matrix& q)
      : worker_(worker), shape_(shape), task_(task), type_(q.type), group_(shape.heads / shape.kv_heads) {
    rows_ = task.rows * group_;
    // Few distinct shapes, so that products are prepared once.
    padded_ = rows_ <= 16 ? rows_ : round_up(rows_, 16);
    gather(q);
    scores_ = worker.middle.reserve_as<float>(padded_ * kKeyBlock * 2);
    weights_ = scores_ + padded_ * kKeyBlock;
    sums_ = worker.output.reserve_as<float>(padded_ * (shape.v_dim + 2));
    most_ = sums_ + padded_ * shape.v_dim;
    total_ = most_ + padded_;
    std::fill_n(most_, padded_, kNothing);
    std::fill_n(total_, padded_, 0.0f);
  }

  // The keys at places [at, at + count), of which row i sees the first place + i + 1 - at. In the last block
  // of keys the first half of the queries sees fewer.
  void add(const Rows& k, const Rows& v, int64_t at, int64_t count) {
    const int64_t half = task_.block_end - task_.block_rows / 2;
    const int64_t first = std::clamp<int64_t>((half - task_.place) * group_, 0, rows_);
    if (task_.block_rows / 2 < kSplit || half >= at + kKeyBlock || first == 0) {
      add_part(k, v, at, count, {0, rows_, padded_}, task_.block_end);
    } else {
      if (half > at) add_part(k, v, at, count, {0, first, first}, half);
      if (first < rows_) add_part(k, v, at, count, {first, rows_, padded_ - first}, task_.block_end);
    }
  }

  void finish(const Matrix& out) {
    for (int64_t r = 0; r < rows_; ++r) {
      float* sum = sums_ + r * shape_.v_dim;
      scale(1.0f / total_[r], shape_.v_dim, sum);
      const int64_t head = task_.head * group_ + r % group_;
      store(sum, shape_.v_dim, type_, out.at(row(r), head * shape_.v_dim));
    }
  }

 private:
  int64_t row(int64_t r) const { return task_.span->row + task_.first + r / group_; }

  // Row r of the products is query row r / group, head r % group.
  void gather(const Matrix& q) {
    const size_t bytes = static_cast<size_t>(shape_.qk_dim) * size_of(type_);
    std::byte* rows = worker_.input.reserve(static_cast<size_t>(padded_) * bytes);
    for (int64_t r = 0; r < padded_; ++r) {
      if (r < rows_) {
        const int64_t head = task_.head * group_ + r % group_;
        std::memcpy(rows + static_cast<size_t>(r) * bytes, q.at(row(r), head * shape_.qk_dim), bytes);
      } else {
        std::memset(rows + static_cast<size_t>(r) * bytes, 0, bytes);
      }
    }
  }

  struct Part {  // of the products' rows
    int64_t begin = 0, end = 0, padded = 0;
  };

  // The same for some rows, which see no key from place `last` on.
  void add_part(const Rows& k, const Rows& v, int64_t at, int64_t count, const Part& part, int64_t last) {
    const int64_t keys = round_up(std::min(kKeyBlock, last - at), kKeyUnit),
                  seen = std::min(count, last - at);
    const Product score{.m = part.padded,
                        .n = keys,
                        .k = shape_.qk_dim,
                        .lda = shape_.qk_dim,
                        .ldb = k.stride,
                        .ldc = kKeyBlock,
                        .input = type_};
    const size_t value = size_of(type_);
    std::byte* queries = worker_.input.data() + static_cast<size_t>(part.begin * shape_.qk_dim) * value;
    worker_.matmul.run(score, queries, k.data, scores_ + part.begin * kKeyBlock);
    for (int64_t r = part.begin; r < part.end; ++r)
      weigh(r, std::clamp<int64_t>(task_.place + r / group_ + 1 - at, 0, seen), keys);
    const Product sum{.m = part.padded,
                      .n = shape_.v_dim,
                      .k = keys,
                      .lda = kKeyBlock,
                      .ldb = v.stride,
                      .ldc = shape_.v_dim,
                      .input = type_,
                      .b_transposed = false,
                      .accumulate = at > 0};
    worker_.matmul.run(sum, weights_of(part.begin), v.data, sums_ + part.begin * shape_.v_dim);
  }

  std::byte* weights_of(int64_t r) {
    return reinterpret_cast<std::byte*>(weights_) + static_cast<size_t>(r * kKeyBlock) * size_of(type_);
  }

  void weigh(int64_t r, int64_t seen, int64_t keys) {
    const float* scores = scores_ + r * kKeyBlock;
    std::byte* weights = weights_of(r);
    std::memset(weights + static_cast<size_t>(seen) * size_of(type_), 0,
                static_cast<size_t>(keys - seen) * size_of(type_));
    if (seen == 0) return;
    const float factor = static_cast<float>(shape_.scale);
    const float most = std::max(most_[r], max_of(scores, seen) * factor);
    if (most > most_[r] && total_[r] > 0) {
      const float shrink = std::exp(most_[r] - most);
      total_[r] *= shrink;
      scale(shrink, shape_.v_dim, sums_ + r * shape_.v_dim);
    }
    most_[r] = most;
    total_[r] += exp_row(scores, factor, most, seen, type_, weights);
  }

  Worker& worker_;
  const AttentionShape& shape_;
  const Task& task_;
  Compute type_;
  int64_t group_, rows_ = 0, padded_ = 0;
  float *scores_ = nullptr, *weights_ = nullptr, *sums_ = nullptr, *most_ = nullptr, *total_ = nullptr;
};

std::vector<Task> plan(const AttentionShape& shape, std::span<const QuerySpan> spans) {
  const int64_t rows = std::max<int64_t>(1, kQueryBlock / (shape.heads / shape.kv_heads));
  std::vector<Task> tasks;
  for (const QuerySpan& span : spans) {
    const int64_t begin = context_keys(span);
    for (int64_t first = 0; first < span.rows;) {
      const int64_t place = begin + first, end = (place / rows + 1) * rows;
      const int64_t count = std::min(end - place, span.rows - first);
      for (int head = 0; head < shape.kv_heads; ++head)
        tasks.push_back({&span, first, count, place, end, rows, head, count * (place + count)});
      first += count;
    }
  }
  std::stable_sort(tasks.begin(), tasks.end(), [](const Task& a, const Task& b) { return a.cost > b.cost; });
  return tasks;
}

// Keys or values at places [at, at + count) of a sequence: where they lie, or, where they lie apart, copied,
// with zeros up to `rows`.
Rows together(const HeadRows& from, int head, int64_t dim, std::span<const KeyRange> ranges, int64_t at,
              int64_t count, int64_t rows, std::byte* copy) {
  auto range = ranges.begin();
  for (; at >= range->count; ++range) at -= range->count;
  const int64_t stride = from.first.stride;
  if (count <= range->count - at) return {from.at(range->begin + at, head), stride};
  const size_t size = size_of(from.first.type), row_bytes = static_cast<size_t>(stride) * size;
  std::byte* to = copy;
  for (int64_t left = count; left > 0; ++range, at = 0) {
    const int64_t part = std::min(left, range->count - at);
    for (int64_t r = 0; r < part; ++r, to += row_bytes)
      std::memcpy(to, from.at(range->begin + at + r, head), static_cast<size_t>(dim) * size);
    left -= part;
  }
  std::memset(to, 0, static_cast<size_t>(rows - count) * row_bytes);
  return {copy, stride};
}

void run(const Task& task, Worker& worker, const AttentionShape& shape, const Matrix& q, const HeadRows& k,
         const HeadRows& v, const Matrix& out) {
  const std::vector<KeyRange> ranges = stretches(task);
  const size_t key_bytes = static_cast<size_t>(kKeyBlock * k.first.stride) * size_of(q.type),
               value_bytes = static_cast<size_t>(kKeyBlock * v.first.stride) * size_of(q.type);
  std::byte* copies = worker.weights.reserve(key_bytes + value_bytes);
  Block block(worker, shape, task, q);
  const int64_t seen = task.place + task.rows;
  for (int64_t at = 0; at < seen; at += kKeyBlock) {
    const int64_t count = std::min(kKeyBlock, seen - at);
    const int64_t keys = round_up(std::min(kKeyBlock, task.block_end - at), kKeyUnit);
    const Rows key = together(k, task.head, shape.qk_dim, ranges, at, count, keys, copies);
    const Rows value = together(v, task.head, shape.v_dim, ranges, at, count, keys, copies + key_bytes);
    block.add(key, value, at, count);
  }
  block.finish(out);
}

}  // namespace

void attend(Machine& machine, const AttentionShape& shape, std::span<const QuerySpan> spans, const Matrix& q,
            const HeadRows& k, const HeadRows& v, const Matrix& out) {
  const std::vector<Task> tasks = plan(shape, spans);
  constexpr size_t kPart = 4096;
  for (size_t begin = 0; begin < tasks.size(); begin += kPart) {
    const auto part = std::span(tasks).subspan(begin, std::min(kPart, tasks.size() - begin));
    machine.pool.for_each(static_cast<int64_t>(part.size()), [&](int64_t index, int worker) {
      run(part[static_cast<size_t>(index)], machine.worker(worker), shape, q, k, v, out);
    });
    machine.part_done();
  }
}

}  // namespace committee::engine
