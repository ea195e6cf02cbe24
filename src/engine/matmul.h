#pragma once

#include <cstdint>
#include <memory>

#include "engine/compute.h"

namespace committee::engine {

// The shape of C (+)= A·B, all row-major with `ld*` elements from row to row. A and B are of type `input`,
// sums and C are float32.
struct Product {
  int64_t m = 0, n = 0, k = 0;
  int64_t lda = 0, ldb = 0, ldc = 0;
  Compute input = Compute::kF32;
  bool b_transposed = true;  // B is stored [n, k], as weights are; else [k, n]
  bool accumulate = false;   // adds to what C holds

  bool operator==(const Product&) const = default;
};

// Multiplies on the calling thread alone. A row's result does not depend, to the bit, on how many rows there
// are. One object serves one thread at a time; products prepared once are kept, as preparing a shape costs
// far more than running a small one. Throws Error where oneDNN refuses.
class Matmul {
 public:
  // kBest: our own kernel (packed_product.h) where it is the faster one, else oneDNN.
  enum class Kernels { kBest, kOneDnn };

  explicit Matmul(Kernels kernels = Kernels::kBest);
  Matmul(Matmul&&) noexcept;
  ~Matmul();

  void run(const Product& product, const void* a, const void* b, float* c);

 private:
  struct Packs {  // the formats whose products our own kernel runs
    bool bf16 = false, f32 = false;
  };
  static Packs packed();

  void run_padded(const Product& product, int64_t rows, const void* a, const void* b, float* c);
  void run_prepared(const Product& product, const void* a, const void* b, float* c);

  struct Cache;
  std::unique_ptr<Cache> cache_;
  Packs packs_;
};

}  // namespace committee::engine
