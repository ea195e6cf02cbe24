#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "model/routing.h"

namespace committee::engine {

// Keeps everything that a pass records, chunk after chunk.
class Collect : public model::RoutingSink {
 public:
  Collect(int layers, int experts, int k) : layers_(layers), experts_(experts), k_(k) {}

  void begin_chunk(const model::RecordedRows& rows) override {
    first_ = static_cast<int64_t>(sample.size());
    const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    append(sample, rows.sample);
    append(position, rows.position);
    append(token, rows.token);
    append(content, rows.content);
    const size_t cells = sample.size() * static_cast<size_t>(layers_);
    probs.resize(cells * static_cast<size_t>(experts_), -1.0f);
    ids.resize(cells * static_cast<size_t>(k_), 0xFFFF);
    weights.resize(cells * static_cast<size_t>(k_), -1.0f);
  }

  void record(const model::RoutingBatch& batch) override {
    for (int64_t r = 0; r < batch.rows; ++r) {
      const int64_t cell = (first_ + batch.first_row + r) * layers_ + batch.layer;
      std::copy_n(batch.probs.begin() + r * experts_, experts_, probs.begin() + cell * experts_);
      std::copy_n(batch.topk_id.begin() + r * k_, k_, ids.begin() + cell * k_);
      std::copy_n(batch.topk_weight.begin() + r * k_, k_, weights.begin() + cell * k_);
    }
  }

  void end_chunk() override { ++chunks; }

  int64_t rows() const { return static_cast<int64_t>(sample.size()); }

  std::vector<int32_t> sample, position, token;
  std::vector<uint8_t> content;
  std::vector<float> probs, weights;  // [rows, layers, experts], [rows, layers, k]
  std::vector<uint16_t> ids;
  int chunks = 0;

 private:
  int layers_, experts_, k_;
  int64_t first_ = 0;
};

}  // namespace committee::engine
