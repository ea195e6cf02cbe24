// The register block of float32 products, for code that Highway compiles once for every kind of processor:
// include it after hwy/highway.h, inside foreach_target.h's reach.
#if defined(COMMITTEE_BASE_PRODUCT_BLOCK_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef COMMITTEE_BASE_PRODUCT_BLOCK_INL_H
#undef COMMITTEE_BASE_PRODUCT_BLOCK_INL_H
#else
#define COMMITTEE_BASE_PRODUCT_BLOCK_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace committee::HWY_NAMESPACE {

// sums[r][v] = Σ_u rows[r · stride + u] · strip[u · width + v · next + (0..lanes)], u < k, added in that
// order. The sums, a strip's vectors and a broadcast value should fit the registers.
template <int kRows, int kVectors, class D>
HWY_INLINE void multiply_block(D d, const float* HWY_RESTRICT strip, int64_t width, int64_t next,
                               const float* HWY_RESTRICT rows, int64_t stride, int64_t k,
                               hwy::HWY_NAMESPACE::Vec<D> (&sums)[kRows][kVectors]) {
  namespace hn = hwy::HWY_NAMESPACE;
  for (auto& row : sums) {
    for (auto& sum : row) sum = hn::Zero(d);
  }
  for (int64_t u = 0; u < k; ++u, strip += width) {
    hn::Vec<D> x[kVectors];
    for (int v = 0; v < kVectors; ++v) x[v] = hn::LoadU(d, strip + v * next);
    for (int r = 0; r < kRows; ++r) {
      const auto weight = hn::Set(d, rows[r * stride + u]);
      for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(x[v], weight, sums[r][v]);
    }
  }
}

}  // namespace committee::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
