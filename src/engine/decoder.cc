#include "engine/decoder.h"

#include <algorithm>

#include "base/error.h"
#include "engine/linear.h"
#include "engine/norm.h"

namespace committee::engine {
namespace {

using model::Tensor;

constexpr size_t kLogitBytes = 32 << 20;  // of logits held at a time

int64_t elements(const Tensor& tensor) {
  int64_t count = tensor ? 1 : 0;
  for (const int64_t extent : tensor.shape) count *= extent;
  return count;
}

bool finite(const Tensor& tensor, int64_t begin, int64_t end) {
  constexpr int64_t kPart = 4096;
  float part[kPart];
  for (int64_t at = begin; at < end; at += kPart) {
    const int64_t count = std::min(kPart, end - at);
    load(tensor, at, count, part);
    if (!all_finite(part, count)) return false;
  }
  return true;
}

}  // namespace

Decoder::Decoder(const model::Model& checkpoint, Compute compute, int threads)
    : model(checkpoint),
      machine(compute, threads),
      layers(checkpoint),
      rope(checkpoint.config().attention.rope, 0),
      end_layer(checkpoint.config().layers),
      attention(checkpoint.config(), machine, rope),
      feed_forward(checkpoint.config(), machine) {}

void Decoder::set_positions(int64_t count) {
  if (count <= positions) return;
  rope = RopeTable(config().attention.rope, count);
  positions = count;
}

void Decoder::embed(std::span<const int32_t> tokens, const Matrix& to) {
  const auto timing = machine.stopwatch.time(Op::kEmbed);
  const Tensor& embedding = model.weights().embedding;
  const int64_t d = config().d_model;
  machine.pool.for_ranges(static_cast<int64_t>(tokens.size()), 64, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r)
      load(embedding, tokens[static_cast<size_t>(r)] * d, d, to.floats(r));
  });
}

void Decoder::logits(const Matrix& from, std::span<const int64_t> rows,
                     const std::function<void(int64_t row, std::span<const float> logits)>& take) {
  const auto timing = machine.stopwatch.time(Op::kLogits);
  const int64_t d = config().d_model, vocab = config().vocab;
  const size_t most = std::max<size_t>(1, kLogitBytes / sizeof(float) / static_cast<size_t>(vocab));
  const std::vector<float> norm = load_all(model.weights().final_norm);
  Bytes gathered, normed, products;
  for (size_t first = 0; first < rows.size(); first += most) {
    const std::span<const int64_t> now = rows.subspan(first, std::min(most, rows.size() - first));
    const int64_t count = static_cast<int64_t>(now.size());
    const Matrix in{gathered.reserve_as<float>(count * d), Compute::kF32, d};
    for (int64_t r = 0; r < count; ++r)
      std::copy_n(from.floats(now[static_cast<size_t>(r)]), d, in.floats(r));
    const Matrix x{normed.reserve(static_cast<size_t>(count * d) * size_of(machine.compute)), machine.compute,
                   d};
    const Matrix y{products.reserve_as<float>(count * vocab), Compute::kF32, vocab};
    try {
      norm_rows(machine, in, 0, count, norm, config().norm_eps, x);
    } catch (const NotFinite& found) {
      throw NotFinite{now[static_cast<size_t>(found.row)], found.what};
    }
    project(machine, x, count, model.weights().lm_head, y, Output::kSet);
    for (int64_t r = 0; r < count; ++r) {
      const int64_t row = now[static_cast<size_t>(r)];
      if (!all_finite(y.floats(r), vocab)) throw NotFinite{row, "next-token distribution"};
      take(row, {y.floats(r), static_cast<size_t>(vocab)});
    }
  }
}

std::string Decoder::broken_tensor(int last) {
  const model::ModelWeights& weights = model.weights();
  std::vector<const Tensor*> tensors = {&weights.embedding};
  for (int l = 0; l <= std::min(last, config().layers - 1); ++l) {
    const std::vector<const Tensor*> more = tensors_of(weights.layers[static_cast<size_t>(l)]);
    tensors.insert(tensors.end(), more.begin(), more.end());
  }
  if (last >= config().layers) {
    tensors.push_back(&weights.final_norm);
    tensors.push_back(&weights.lm_head);
  }
  for (const Tensor* tensor : tensors) {
    if (!finite(*tensor, 0, elements(*tensor))) return tensor->name;
  }
  return "";
}

void check_small_tensors(const model::Model& model) {
  std::vector<const Tensor*> tensors = {&model.weights().final_norm};
  for (const model::LayerWeights& layer : model.weights().layers) {
    for (const Tensor* tensor : tensors_of(layer)) {
      if (*tensor && tensor->shape.size() == 1) tensors.push_back(tensor);
    }
  }
  for (const Tensor* tensor : tensors) model.read_ahead(*tensor);
  for (const Tensor* tensor : tensors) {
    if (!finite(*tensor, 0, elements(*tensor)))
      throw Error("{}: tensor {} holds NaN or Inf", model.folder().string(), tensor->name);
  }
}

}  // namespace committee::engine
