#include "engine/linear.h"

#include <algorithm>

#include "engine/ops.h"

namespace committee::engine {
namespace {

constexpr int64_t kRowTile = 256;
constexpr int64_t kColumnTile = 1024;
constexpr int64_t kStripElements = 1 << 18;  // of weights converted at a time

int64_t tiles(int64_t n, int64_t tile) { return (n + tile - 1) / tile; }

}  // namespace

void multiply(Worker& worker, const Matrix& x, int64_t rows, const model::Tensor& weight, int64_t begin,
              int64_t end, const Matrix& y, Output output) {
  const int64_t inputs = weight.shape[1];
  Product product{.m = rows,
                  .n = end - begin,
                  .k = inputs,
                  .lda = x.stride,
                  .ldb = inputs,
                  .ldc = y.stride,
                  .input = x.type,
                  .accumulate = output == Output::kAdd};
  const bool bf16 = weight.dtype == model::DType::kBF16;
  product.b_bf16 = bf16 && x.type == Compute::kF32 && worker.matmul.widens(inputs);
  if (weight.dtype == (x.type == Compute::kF32 ? model::DType::kF32 : model::DType::kBF16) ||
      product.b_bf16) {
    const std::byte* first = weight.data + static_cast<size_t>(begin * inputs) * model::size_of(weight.dtype);
    worker.matmul.run(product, x.data, first, y.floats(0));
    return;
  }
  const int64_t strip = std::max<int64_t>(1, kStripElements / inputs);
  std::byte* converted = worker.weights.reserve(static_cast<size_t>(strip * inputs) * size_of(x.type));
  for (int64_t at = begin; at < end; at += strip) {
    product.n = std::min(strip, end - at);
    convert(weight, at * inputs, product.n * inputs, x.type, converted);
    worker.matmul.run(product, x.data, converted, y.floats(0, at - begin));
  }
}

void project(Machine& machine, const Matrix& x, int64_t rows, const model::Linear& linear, const Matrix& y,
             Output output) {
  const int64_t outputs = linear.weight.shape[0];
  const int64_t row_tiles = tiles(rows, kRowTile), column_tiles = tiles(outputs, kColumnTile);
  const std::vector<float> bias = load_all(linear.bias);
  machine.pool.for_each(row_tiles * column_tiles, [&](int64_t task, int index) {
    const int64_t row = task % row_tiles * kRowTile, column = task / row_tiles * kColumnTile;
    const int64_t count = std::min(kRowTile, rows - row), end = std::min(outputs, column + kColumnTile);
    const Matrix from{x.at(row), x.type, x.stride}, to{y.at(row, column), y.type, y.stride};
    multiply(machine.worker(index), from, count, linear.weight, column, end, to, output);
    if (bias.empty()) return;
    for (int64_t r = 0; r < count; ++r) add_scaled(1.0f, bias.data() + column, end - column, to.floats(r));
  });
}

void project(Machine& machine, const Matrix& x, int64_t rows, const model::Tensor& weight, const Matrix& y,
             Output output) {
  project(machine, x, rows, model::Linear{weight, {}}, y, output);
}

}  // namespace committee::engine
