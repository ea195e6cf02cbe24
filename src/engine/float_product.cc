#include "engine/float_product.h"

#include <algorithm>
#include <array>

// Vectors in arrays need a size.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/float_product.cc"
#include <hwy/foreach_target.h>
// Highway needs its header after foreach_target.h.
#include <hwy/highway.h>

#include "base/product_block-inl.h"

HWY_BEFORE_NAMESPACE();
namespace committee::engine::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::ScalableTag<float>;

constexpr int kMostVectors = 3;  // of packed rows, in a strip
// Rows at a time: their sums, a strip's vectors and a broadcast value fit 32 or 16 registers.
constexpr int kStreamed = HWY_TARGET <= HWY_AVX3 ? 8 : 4;
constexpr int64_t kPanel = 64;  // streamed rows that stay in the cache while all strips pass
constexpr int64_t kMostLanes = 16;

// A matrix by the distance from row to row and from column to column.
struct View {
  const float* data = nullptr;
  int64_t row = 0, column = 0;
};

// strip[u][lane] = from(lane, u); lanes past the last row are zeros.
void pack(const View& from, int64_t rows, int64_t k, int64_t lanes, float* strip) {
  for (int64_t lane = 0; lane < lanes; ++lane) {
    const float* row = from.data + lane * from.row;
    for (int64_t u = 0; u < k; ++u) strip[u * lanes + lane] = lane < rows ? row[u * from.column] : 0.0f;
  }
}

// sums[r][..] of kRows rows with a strip.
template <int kVectors, int kRows>
HWY_INLINE void sum_block(const float* strip, const float* rows, int64_t stride, int64_t k, float* sums) {
  const Floats d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<Floats> block[kRows][kVectors];
  committee::HWY_NAMESPACE::multiply_block(d, strip, kVectors * lanes, lanes, rows, stride, k, block);
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) hn::StoreU(block[r][v], d, sums + (r * kVectors + v) * lanes);
  }
}

// c(packed row, streamed row) for a strip and the streamed rows [begin, end).
struct Out {
  float* data = nullptr;
  int64_t packed = 0, streamed = 0;  // distance from row to row
  bool accumulate = false;
};
template <int kVectors>
void multiply_strip(const float* strip, int64_t rows, const View& streamed, int64_t begin, int64_t end,
                    int64_t k, const Out& c) {
  const int64_t lanes = kVectors * static_cast<int64_t>(hn::Lanes(Floats()));
  float sums[kStreamed * kMostVectors * kMostLanes];
  for (int64_t s = begin; s < end; s += kStreamed) {
    const float* from = streamed.data + s * streamed.row;
    const int64_t count = std::min<int64_t>(kStreamed, end - s);
    if (count == kStreamed) {
      sum_block<kVectors, kStreamed>(strip, from, streamed.row, k, sums);
    } else {
      for (int64_t r = 0; r < count; ++r)
        sum_block<kVectors, 1>(strip, from + r * streamed.row, streamed.row, k, sums + r * lanes);
    }
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t i = 0; i < rows; ++i) {
        float& to = c.data[i * c.packed + (s + r) * c.streamed];
        to = c.accumulate ? to + sums[r * lanes + i] : sums[r * lanes + i];
      }
    }
  }
}

void Multiply(const Product& p, const float* a, const float* b, float* c, Bytes& scratch) {
  const bool packs_a = p.b_transposed;
  const View packed = packs_a ? View{a, p.lda, 1} : View{b, 1, p.ldb};
  const View streamed = packs_a ? View{b, p.ldb, 1} : View{a, p.lda, 1};
  const int64_t packed_rows = packs_a ? p.m : p.n, streamed_rows = packs_a ? p.n : p.m;
  const Out out = packs_a ? Out{c, p.ldc, 1, p.accumulate} : Out{c, 1, p.ldc, p.accumulate};
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(Floats())), step = kMostVectors * lanes;
  constexpr std::array kStrips = {multiply_strip<1>, multiply_strip<2>, multiply_strip<3>};
  const auto vectors = [&](int64_t left) {
    return std::min<int64_t>(kMostVectors, (left + lanes - 1) / lanes);
  };
  const int64_t block = kPackedRows / step * step;
  for (int64_t first = 0; first < packed_rows; first += block) {
    const int64_t rows = std::min(block, packed_rows - first);
    float* strips = scratch.reserve_as<float>((rows + lanes - 1) / lanes * lanes * p.k);
    for (int64_t row = 0; row < rows; row += step)
      pack({packed.data + (first + row) * packed.row, packed.row, packed.column}, rows - row, p.k,
           vectors(rows - row) * lanes, strips + row * p.k);
    for (int64_t begin = 0; begin < streamed_rows; begin += kPanel) {
      const int64_t end = std::min(streamed_rows, begin + kPanel);
      for (int64_t row = 0; row < rows; row += step)
        kStrips[static_cast<size_t>(vectors(rows - row) - 1)](
            strips + row * p.k, std::min(step, rows - row), streamed, begin, end, p.k,
            {out.data + (first + row) * out.packed, out.packed, out.streamed, out.accumulate});
    }
  }
}

}  // namespace committee::engine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace committee::engine {

HWY_EXPORT(Multiply);

void multiply_floats(const Product& product, const float* a, const float* b, float* c, Bytes& scratch) {
  HWY_DYNAMIC_DISPATCH(Multiply)(product, a, b, c, scratch);
}

}  // namespace committee::engine
#endif
