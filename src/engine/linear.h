#pragma once

#include <cstdint>

#include "engine/buffer.h"
#include "engine/machine.h"
#include "model/tensor.h"

namespace committee::engine {

enum class Output { kSet, kAdd };

// y (+)= x·Wᵀ for rows of x and the rows [begin, end) of the weight W [out, in] on the calling thread.
// Weights of x's own format are used where they lie; others are converted, a strip of rows at a time, into
// the worker's scratch. y.at(row, 0) is the output of weight row `begin`.
void multiply(Worker& worker, const Matrix& x, int64_t rows, const model::Tensor& weight, int64_t begin,
              int64_t end, const Matrix& y, Output output);

// The same for the whole weight, and a bias where there is one, split over the pool by rows and columns. The
// split does not depend on the number of threads.
void project(Machine& machine, const Matrix& x, int64_t rows, const model::Linear& linear, const Matrix& y,
             Output output);
void project(Machine& machine, const Matrix& x, int64_t rows, const model::Tensor& weight, const Matrix& y,
             Output output);

}  // namespace committee::engine
