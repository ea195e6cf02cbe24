#include "engine/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/ops.h"

namespace committee::engine {
namespace {

constexpr int64_t kQueryBlock = 128;  // rows of a product: query rows times the heads that share keys
constexpr int64_t kKeyBlock = 256;
constexpr float kNothing = -std::numeric_limits<float>::infinity();

int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// Some query rows of a span, for one key-value head.
struct Task {
  const QuerySpan* span = nullptr;
  int64_t first = 0, rows = 0;  // of the span
  int head = 0;                 // of keys and values
  int64_t cost = 0;
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

  // Keys [begin, begin + count), of which row i sees `visible(i)`.
  template <typename Visible>
  void add(const HeadRows& k, const HeadRows& v, int64_t begin, int64_t count, const Visible& visible) {
    const int64_t keys = round_up(count, kKeySlack);
    const Product score{.m = padded_,
                        .n = keys,
                        .k = shape_.qk_dim,
                        .lda = shape_.qk_dim,
                        .ldb = k.first.stride,
                        .ldc = kKeyBlock,
                        .input = type_};
    worker_.matmul.run(score, worker_.input.data(), k.at(begin, task_.head), scores_);
    for (int64_t r = 0; r < rows_; ++r) weigh(r, std::clamp<int64_t>(visible(r / group_), 0, count), keys);
    const Product sum{.m = padded_,
                      .n = shape_.v_dim,
                      .k = keys,
                      .lda = kKeyBlock,
                      .ldb = v.first.stride,
                      .ldc = shape_.v_dim,
                      .input = type_,
                      .b_transposed = false,
                      .accumulate = started_};
    worker_.matmul.run(sum, weights_, v.at(begin, task_.head), sums_);
    started_ = true;
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

  void weigh(int64_t r, int64_t seen, int64_t keys) {
    const float* scores = scores_ + r * kKeyBlock;
    std::byte* weights =
        reinterpret_cast<std::byte*>(weights_) + static_cast<size_t>(r * kKeyBlock) * size_of(type_);
    std::memset(weights + static_cast<size_t>(seen) * size_of(type_), 0,
                static_cast<size_t>(keys - seen) * size_of(type_));
    if (seen == 0) return;
    const float factor = static_cast<float>(shape_.scale);
    const float most = std::max(most_[r], max_of(scores, seen) * factor);
    if (most > most_[r] && started_ && total_[r] > 0) {
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
  bool started_ = false;
};

std::vector<Task> plan(const AttentionShape& shape, std::span<const QuerySpan> spans) {
  const int64_t rows = std::max<int64_t>(1, kQueryBlock / (shape.heads / shape.kv_heads));
  std::vector<Task> tasks;
  for (const QuerySpan& span : spans) {
    int64_t context = span.own_before;
    for (const KeyRange& range : span.context) context += range.count;
    for (int64_t first = 0; first < span.rows; first += rows) {
      const int64_t count = std::min(rows, span.rows - first);
      for (int head = 0; head < shape.kv_heads; ++head)
        tasks.push_back({&span, first, count, head, count * (context + first + count)});
    }
  }
  std::stable_sort(tasks.begin(), tasks.end(), [](const Task& a, const Task& b) { return a.cost > b.cost; });
  return tasks;
}

}  // namespace

void attend(Machine& machine, const AttentionShape& shape, std::span<const QuerySpan> spans, const Matrix& q,
            const HeadRows& k, const HeadRows& v, const Matrix& out) {
  const std::vector<Task> tasks = plan(shape, spans);
  machine.pool.for_each(static_cast<int64_t>(tasks.size()), [&](int64_t index, int worker) {
    const Task& task = tasks[static_cast<size_t>(index)];
    const QuerySpan& span = *task.span;
    Block block(machine.worker(worker), shape, task, q);
    for (const KeyRange& range : span.context) {
      for (int64_t at = 0; at < range.count; at += kKeyBlock) {
        const int64_t count = std::min(kKeyBlock, range.count - at);
        block.add(k, v, range.begin + at, count, [&](int64_t) { return count; });
      }
    }
    const int64_t before = span.own_before + task.first;  // keys of its own that row i sees: before + i + 1
    const int64_t own = before + task.rows;
    for (int64_t at = 0; at < own; at += kKeyBlock) {
      block.add(k, v, span.own_begin + at, std::min(kKeyBlock, own - at),
                [&](int64_t row) { return before + row + 1 - at; });
    }
    block.finish(out);
  });
}

}  // namespace committee::engine
