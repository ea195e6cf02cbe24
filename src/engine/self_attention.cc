#include "engine/self_attention.h"

#include <algorithm>
#include <cstring>

#include "engine/linear.h"
#include "engine/norm.h"

namespace committee::engine {
namespace {

constexpr int64_t kBlock = 1024;  // rows projected at a time

using model::AttentionWeights;

// Normed low-rank rows, which are those from `first` on of the batch.
void norm_low(Machine& machine, const Matrix& low, int64_t first, int64_t rows, const model::Tensor& weight,
              double eps, const Matrix& out) {
  try {
    norm_rows(machine, low, 0, rows, load_all(weight), eps, out);
  } catch (NotFinite& found) {
    found.row += first;
    throw;
  }
}

}  // namespace

Matrix SelfAttention::normed(const model::LayerWeights& layer, const TokenRows& tokens, int64_t first,
                             int64_t rows) {
  const int64_t d = config_.d_model;
  const Matrix x{normed_.reserve(static_cast<size_t>(rows * d) * size_of(machine_.compute)), machine_.compute,
                 d};
  norm_rows(machine_, tokens.hidden, first, rows, load_all(layer.attention_norm), config_.norm_eps, x);
  return x;
}

void SelfAttention::keys(const model::LayerWeights& layer, const TokenRows& tokens, const int64_t* slot,
                         const KeyValues& into) {
  const auto timing = machine_.stopwatch.time(Op::kKeys);
  for (int64_t first = 0; first < tokens.rows; first += kBlock) {
    const int64_t rows = std::min(kBlock, tokens.rows - first);
    const Matrix x = normed(layer, tokens, first, rows);
    if (config_.attention.latent) {
      latent_keys(layer.attention, x, tokens.position + first, rows, first, slot, into);
    } else {
      plain_keys(layer.attention, x, tokens.position + first, rows, first, slot, into);
    }
    machine_.part_done();
  }
}

// Norm, rotation and clipping of a projection's row, as the model says.
void SelfAttention::finish_heads(float* row, int heads, const std::vector<float>& norm,
                                 int64_t position) const {
  const model::Attention& attention = config_.attention;
  const int64_t dim = attention.qk_dim;
  if (attention.qk_norm == model::QkNorm::kWholeProjection)
    rms_norm(row, norm.data(), heads * dim, config_.norm_eps, row);
  if (attention.clip_qkv) clamp(static_cast<float>(*attention.clip_qkv), heads * dim, row);
  for (int h = 0; h < heads; ++h) {
    float* head = row + h * dim;
    if (attention.qk_norm == model::QkNorm::kPerHead)
      rms_norm(head, norm.data(), dim, config_.norm_eps, head);
    rope_.rotate(position, head);
  }
}

void SelfAttention::plain_keys(const AttentionWeights& weights, const Matrix& x, const int64_t* position,
                               int64_t rows, int64_t first, const int64_t* slot, const KeyValues& into) {
  const model::Attention& attention = config_.attention;
  const int64_t k_width = attention.kv_heads * attention.qk_dim,
                v_width = attention.kv_heads * attention.v_dim;
  const Matrix k{products_.reserve_as<float>(rows * (k_width + v_width)), Compute::kF32, k_width + v_width};
  const Matrix v{k.at(0, k_width), k.type, k.stride};
  project(machine_, x, rows, weights.k, k, Output::kSet);
  project(machine_, x, rows, weights.v, v, Output::kSet);
  const std::vector<float> norm = load_all(weights.k_norm);
  machine_.pool.for_ranges(rows, 32, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t to = slot ? slot[first + r] : first + r;
      finish_heads(k.floats(r), attention.kv_heads, norm, position[r]);
      if (attention.clip_qkv) clamp(static_cast<float>(*attention.clip_qkv), v_width, v.floats(r));
      for (int64_t h = 0; h < attention.kv_heads; ++h) {
        store(k.floats(r, h * attention.qk_dim), attention.qk_dim, x.type, into.k.at(to, h));
        store(v.floats(r, h * attention.v_dim), attention.v_dim, x.type, into.v.at(to, h));
      }
    }
  });
}

void SelfAttention::latent_keys(const AttentionWeights& weights, const Matrix& x, const int64_t* position,
                                int64_t rows, int64_t first, const int64_t* slot, const KeyValues& into) {
  const model::Latent& latent = *config_.attention.latent;
  const int64_t heads = config_.attention.heads, v_dim = config_.attention.v_dim;
  const int64_t low_width = latent.kv_rank + latent.rope_dim, high = latent.nope_dim + v_dim;
  const Matrix low{products_.reserve_as<float>(rows * low_width), Compute::kF32, low_width};
  project(machine_, x, rows, weights.kv_a, low, Output::kSet);
  const Matrix row{low_.reserve(static_cast<size_t>(rows * latent.kv_rank) * size_of(x.type)), x.type,
                   latent.kv_rank};
  norm_low(machine_, low, first, rows, weights.kv_a_norm, latent.norm_eps, row);
  const size_t row_bytes = static_cast<size_t>(latent.kv_rank) * size_of(x.type);
  machine_.pool.for_ranges(rows, 32, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      float* rope = low.floats(r, latent.kv_rank);
      rope_.rotate(position[r], rope);
      if (!into.latent.data) continue;
      const int64_t to = slot ? slot[first + r] : first + r;
      std::memcpy(into.latent.at(to), row.at(r), row_bytes);
      store(rope, latent.rope_dim, into.latent.type, into.latent.at(to, latent.kv_rank));
    }
  });
  if (!into.k) return;
  const Matrix both{expanded_.reserve_as<float>(rows * heads * high), Compute::kF32, heads * high};
  project(machine_, row, rows, weights.kv_b, both, Output::kSet);
  machine_.pool.for_ranges(rows, 32, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t to = slot ? slot[first + r] : first + r;
      for (int64_t h = 0; h < heads; ++h) {
        std::byte* key = static_cast<std::byte*>(into.k.at(to, h));
        store(both.floats(r, h * high), latent.nope_dim, x.type, key);
        store(low.floats(r, latent.kv_rank), latent.rope_dim, x.type,
              key + static_cast<size_t>(latent.nope_dim) * size_of(x.type));
        store(both.floats(r, h * high + latent.nope_dim), v_dim, x.type, into.v.at(to, h));
      }
    }
  });
}

// Queries [rows, heads·qk_dim] of normed rows, rotated.
void SelfAttention::queries(const AttentionWeights& weights, const Matrix& x, const TokenRows& tokens,
                            int64_t first, int64_t rows, const Matrix& into) {
  const int64_t* position = tokens.position + first;
  const model::Attention& attention = config_.attention;
  const int64_t width = attention.heads * attention.qk_dim;
  const Matrix q{products_.reserve_as<float>(rows * width), Compute::kF32, width};
  if (attention.latent && attention.latent->q_rank) {
    const int64_t rank = attention.latent->q_rank;
    const Matrix low{expanded_.reserve_as<float>(rows * rank), Compute::kF32, rank};
    const Matrix row{low_.reserve(static_cast<size_t>(rows * rank) * size_of(x.type)), x.type, rank};
    project(machine_, x, rows, weights.q_a, low, Output::kSet);
    norm_low(machine_, low, first, rows, weights.q_a_norm, attention.latent->norm_eps, row);
    project(machine_, row, rows, weights.q_b, q, Output::kSet);
  } else {
    project(machine_, x, rows, weights.q, q, Output::kSet);
  }
  const std::vector<float> norm = load_all(weights.q_norm);
  machine_.pool.for_ranges(rows, 32, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      if (attention.latent) {
        for (int h = 0; h < attention.heads; ++h)
          rope_.rotate(position[r], q.floats(r, h * attention.qk_dim + attention.latent->nope_dim));
      } else {
        finish_heads(q.floats(r), attention.heads, norm, position[r]);
      }
      store(q.floats(r), width, into.type, into.at(r));
    }
  });
}

void SelfAttention::add(const model::LayerWeights& layer, const TokenRows& tokens,
                        std::span<const QuerySpan> spans, const KeyValues& from) {
  const model::Attention& attention = config_.attention;
  const int64_t q_width = attention.heads * attention.qk_dim, out_width = attention.heads * attention.v_dim;
  const size_t value = size_of(machine_.compute);
  const Matrix q{q_.reserve(static_cast<size_t>(tokens.rows * q_width) * value), machine_.compute, q_width};
  const Matrix context{context_.reserve(static_cast<size_t>(tokens.rows * out_width) * value),
                       machine_.compute, out_width};
  {
    const auto timing = machine_.stopwatch.time(Op::kQueries);
    for (int64_t first = 0; first < tokens.rows; first += kBlock) {
      const int64_t rows = std::min(kBlock, tokens.rows - first);
      const Matrix x = normed(layer, tokens, first, rows);
      queries(layer.attention, x, tokens, first, rows, {q.at(first), q.type, q.stride});
      machine_.part_done();
    }
  }
  {
    const auto timing = machine_.stopwatch.time(Op::kAttention);
    if (from.k) {
      const AttentionShape shape{attention.heads, attention.kv_heads, attention.qk_dim, attention.v_dim,
                                 attention.scale};
      attend(machine_, shape, spans, q, from.k, from.v, context);
    } else {
      attend_latent(layer.attention, tokens.rows, spans, q, from.latent, context);
    }
  }
  const auto timing = machine_.stopwatch.time(Op::kOutput);
  project(machine_, context, tokens.rows, layer.attention.o, tokens.hidden, Output::kAdd);
}

// Attention over latent rows: each head's queries are taken through its key projection instead of every key,
// and the weighted latent rows through its value projection.
void SelfAttention::attend_latent(const AttentionWeights& weights, int64_t rows,
                                  std::span<const QuerySpan> spans, const Matrix& q, const Matrix& keys,
                                  const Matrix& context) {
  const model::Attention& attention = config_.attention;
  const model::Latent& latent = *attention.latent;
  const int heads = attention.heads, rank = latent.kv_rank, dim = rank + latent.rope_dim;
  const int64_t high = latent.nope_dim + attention.v_dim;
  const size_t value = size_of(machine_.compute);
  const Matrix absorbed{low_.reserve(static_cast<size_t>(rows * heads * dim) * value), machine_.compute,
                        heads * dim};
  const Matrix mixed{expanded_.reserve(static_cast<size_t>(rows * heads * rank) * value), machine_.compute,
                     heads * rank};
  machine_.pool.for_each(heads, [&](int64_t h, int index) {
    Worker& worker = machine_.worker(index);
    std::byte* up = worker.weights.reserve(static_cast<size_t>(latent.nope_dim * rank) * value);
    convert(weights.kv_b.weight, h * high * rank, latent.nope_dim * rank, machine_.compute, up);
    float* product = worker.middle.reserve_as<float>(rows * rank);
    worker.matmul.run({.m = rows,
                       .n = rank,
                       .k = latent.nope_dim,
                       .lda = q.stride,
                       .ldb = rank,
                       .ldc = rank,
                       .input = machine_.compute,
                       .b_transposed = false},
                      q.at(0, h * attention.qk_dim), up, product);
    for (int64_t r = 0; r < rows; ++r) {
      store(product + r * rank, rank, absorbed.type, absorbed.at(r, h * dim));
      std::memcpy(absorbed.at(r, h * dim + rank), q.at(r, h * attention.qk_dim + latent.nope_dim),
                  static_cast<size_t>(latent.rope_dim) * value);
    }
  });
  attend(machine_, {heads, 1, dim, rank, attention.scale}, spans, absorbed, {keys, 0}, {keys, 0}, mixed);
  machine_.pool.for_each(heads, [&](int64_t h, int index) {
    Worker& worker = machine_.worker(index);
    const int64_t v_dim = attention.v_dim;
    float* product = worker.middle.reserve_as<float>(rows * v_dim);
    multiply(worker, {mixed.at(0, h * rank), mixed.type, mixed.stride}, rows, weights.kv_b.weight,
             h * high + latent.nope_dim, (h + 1) * high, {product, Compute::kF32, v_dim}, Output::kSet);
    for (int64_t r = 0; r < rows; ++r)
      store(product + r * v_dim, v_dim, context.type, context.at(r, h * v_dim));
  });
}

size_t SelfAttention::block_bytes() const {
  const model::Attention& attention = config_.attention;
  const int keys = attention.kv_heads * (attention.qk_dim + attention.v_dim);
  int floats = std::max(attention.heads * attention.qk_dim, keys), values = config_.d_model;
  if (attention.latent) {
    const model::Latent& latent = *attention.latent;
    floats += std::max(attention.heads * (latent.nope_dim + attention.v_dim), latent.q_rank);
    values += std::max(latent.q_rank, latent.kv_rank);
  }
  return static_cast<size_t>(kBlock) * (static_cast<size_t>(floats) * sizeof(float) +
                                        static_cast<size_t>(values) * size_of(machine_.compute));
}

}  // namespace committee::engine
