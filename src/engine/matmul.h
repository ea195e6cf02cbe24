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
  bool b_bf16 = false;       // B, transposed, is bf16 although A is float32: where Matmul::widens()

  bool operator==(const Product&) const = default;
};

// Rows that our own kernels pack at a time. More of them would leave the caches.
inline constexpr int64_t kPackedRows = 256;

// Multiplies on the calling thread alone. A row's result does not depend, to the bit, on how many rows there
// are. One object serves one thread at a time; products prepared once are kept, as preparing a shape costs
// far more than running a small one. Throws Error where oneDNN refuses.
class Matmul {
 public:
  // kBest: our own kernels (packed_product.h, float_product.h), or oneDNN for bf16 where it has AMX.
  enum class Kernels { kBest, kOneDnn };

  explicit Matmul(Kernels kernels = Kernels::kBest);
  Matmul(Matmul&&) noexcept;
  ~Matmul();

  void run(const Product& product, const void* a, const void* b, float* c);

  // Whether bf16 weights of `k` inputs can be multiplied with float32 activations where they lie.
  bool widens(int64_t k) const { return packs_ && k % 2 == 0; }

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
  bool best_ = true, packs_ = false, tiles_ = false;  // our own kernels, those for AVX512-BF16; AMX is there
};

}  // namespace committee::engine
