#include "engine/matmul.h"

#include "engine/buffer.h"
#include "engine/float_product.h"
#include "engine/onednn_product.h"
#include "engine/packed_product.h"

namespace committee::engine {

struct Matmul::Scratch {
  Bytes packed;
  std::unique_ptr<OneDnnProducts> onednn;
};

Matmul::Matmul(Kernels kernels) : scratch_(std::make_unique<Scratch>()), best_(kernels == Kernels::kBest) {
  tiles_ = instructions() == Instructions::kAmx;
  packs_ = best_ && has_packed_product() && (tiles_ || instructions() == Instructions::kAvx512Bf16);
}
Matmul::Matmul(Matmul&&) noexcept = default;
Matmul::~Matmul() = default;

void Matmul::run(const Product& product, const void* a, const void* b, float* c) {
  const bool f32 = product.input == Compute::kF32;
  // oneDNN's bf16 products with AMX leave a kernel of vectors far behind.
  if (packs_ && (f32 || !tiles_) && can_pack(product))
    return multiply_packed(product, a, b, c, scratch_->packed);
  if (best_ && f32)
    return multiply_floats(product, static_cast<const float*>(a), static_cast<const float*>(b), c,
                           scratch_->packed);
  if (!scratch_->onednn) scratch_->onednn = std::make_unique<OneDnnProducts>();
  scratch_->onednn->run(product, a, b, c);
}

Compute best_compute() {
  return instructions() >= Instructions::kAvx512Bf16 ? Compute::kBF16 : Compute::kF32;
}

bool can_compute(Compute compute) {
  return compute == Compute::kF32 || instructions() >= Instructions::kAvx512;
}

}  // namespace committee::engine
