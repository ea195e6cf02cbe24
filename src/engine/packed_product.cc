#include "engine/packed_product.h"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

// GCC 12 warns of its own headers' undefined vectors.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#define COMMITTEE_AVX512 __attribute__((target("avx512f,avx512bf16")))

namespace committee::engine {
namespace {

constexpr int64_t kLanes = 16;  // 32-bit units in a vector: rows of A in one
constexpr int kWeightRows =
    8;  // whose sums are in registers at a time; as many as a set of the L1 cache has ways
constexpr int kMostVectors = 3;  // of A's rows, in a strip: 24 sums, 3 vectors of A and a broadcast unit
constexpr int64_t kStrip = kMostVectors * kLanes;
constexpr int64_t kPanelBytes = 256 << 10;  // of weights that stay in the L2 cache beside a strip
constexpr int kAheadLines = 4;              // of each weight row of the next block

// Where a strip's sums with up to 16 weights go.
struct Tile {
  float* c = nullptr;
  int64_t stride = 0, rows = 0;
  bool accumulate = false;
};

COMMITTEE_AVX512 inline void transpose(__m512i r[16]) {
  __m512i t[16];
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 4; ++i) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  constexpr int kEven = 0x88, kOdd = 0xDD;  // quarters of both
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], kEven);
    t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], kOdd);
    t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], kEven);
    t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], kOdd);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], kEven);
    r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], kOdd);
    r[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], kEven);
    r[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], kOdd);
  }
}

// The two multiplications. What is around them only moves units.
struct FloatUnit {
  COMMITTEE_AVX512 static __m512 add_product(__m512 sum, __m512i x, __m512i w) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(w), sum);
  }
};
struct BF16Pair {
  COMMITTEE_AVX512 static __m512 add_product(__m512 sum, __m512i x, __m512i w) {
    return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)w);
  }
};

// Rows of 32-bit units, `stride` bytes from row to row.
struct Units {
  const std::byte* data = nullptr;
  int64_t stride = 0;

  const std::byte* row(int64_t r) const { return data + r * stride; }
};

// Up to 16·vectors rows, as [unit][vector][16 rows]; rows past the last are zeros.
COMMITTEE_AVX512 void pack(Units a, int64_t rows, int vectors, int64_t units, std::byte* to) {
  const int64_t step = vectors * kLanes * 4;
  for (int v = 0; v < vectors; ++v) {
    for (int64_t u = 0; u < units; u += kLanes) {
      const int64_t count = std::min(kLanes, units - u);
      const auto mask = static_cast<__mmask16>((1u << count) - 1);
      __m512i part[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) {
        const int64_t row = v * kLanes + i;
        part[i] = row < rows ? _mm512_maskz_loadu_epi32(mask, a.row(row) + u * 4) : _mm512_setzero_si512();
      }
      transpose(part);
      for (int64_t i = 0; i < count; ++i) _mm512_storeu_si512(to + (u + i) * step + v * kLanes * 4, part[i]);
    }
  }
}

// sums[r][..] of `kRows` weights with a strip of 16·kVectors rows. The first lines of the weights after them
// are asked for, as the processor's own read-ahead ends at every page.
template <typename Unit, int kVectors, int kRows>
COMMITTEE_AVX512 __attribute__((noinline)) void sum_block(const std::byte* strip, Units weights,
                                                          int64_t units, float* sums) {
  const std::byte* row[kRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    row[r] = weights.row(r);
    for (int line = 0; line < kAheadLines; ++line)
      _mm_prefetch(row[r] + kRows * weights.stride + line * 64, _MM_HINT_T0);
  }
  __m512 sum[kRows][kVectors] = {};
  for (int64_t u = 0; u < units; ++u) {
    __m512i x[kVectors];
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) x[v] = _mm512_load_si512(strip + (u * kVectors + v) * 64);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      int32_t unit;
      std::memcpy(&unit, row[r] + u * 4, sizeof(unit));
      const __m512i w = _mm512_set1_epi32(unit);
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) sum[r][v] = Unit::add_product(sum[r][v], x[v], w);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) _mm512_store_ps(sums + (r * kVectors + v) * kLanes, sum[r][v]);
  }
}

// C's columns of up to 16 weights, for a strip.
template <typename Unit, int kVectors>
COMMITTEE_AVX512 void sum_columns(const std::byte* strip, Units weights, int64_t columns, int64_t units,
                                  const Tile& out) {
  constexpr int64_t kStep = kVectors * kLanes;
  alignas(64) float sums[kLanes * kStep];
  int64_t w = 0;
  for (; w + kWeightRows <= columns; w += kWeightRows)
    sum_block<Unit, kVectors, kWeightRows>(strip, {weights.row(w), weights.stride}, units, sums + w * kStep);
  for (; w < columns; ++w)
    sum_block<Unit, kVectors, 1>(strip, {weights.row(w), weights.stride}, units, sums + w * kStep);
  const auto mask = static_cast<__mmask16>((1u << columns) - 1);
  for (int v = 0; v < kVectors; ++v) {
    __m512i part[kLanes];
    for (int64_t i = 0; i < kLanes; ++i)
      part[i] = i < columns ? _mm512_load_si512(sums + (i * kVectors + v) * kLanes) : _mm512_setzero_si512();
    transpose(part);
    for (int64_t i = 0; i < std::min(kLanes, out.rows - v * kLanes); ++i) {
      float* c = out.c + (v * kLanes + i) * out.stride;
      const __m512 sum = _mm512_castsi512_ps(part[i]);
      _mm512_mask_storeu_ps(c, mask,
                            out.accumulate ? _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), sum) : sum);
    }
  }
}

template <typename Unit>
void multiply_units(const Product& p, Units a, Units b, int64_t units, float* c, std::byte* packed) {
  using Columns = void (*)(const std::byte*, Units, int64_t, int64_t, const Tile&);
  constexpr Columns kColumns[] = {sum_columns<Unit, 1>, sum_columns<Unit, 2>, sum_columns<Unit, 3>};
  const auto vectors_at = [&](int64_t row) {
    return static_cast<int>(std::min<int64_t>(kMostVectors, (p.m - row + kLanes - 1) / kLanes));
  };
  const auto strip_at = [&](int64_t row) { return packed + row * units * 4; };
  for (int64_t row = 0; row < p.m; row += kStrip)
    pack({a.row(row), a.stride}, p.m - row, vectors_at(row), units, strip_at(row));
  const int64_t panel = std::clamp<int64_t>(kPanelBytes / (units * 4) / kLanes * kLanes, kLanes, 8 * kLanes);
  for (int64_t first = 0; first < p.n; first += panel) {
    const int64_t end = std::min(p.n, first + panel);
    for (int64_t row = 0; row < p.m; row += kStrip) {
      const Columns columns = kColumns[vectors_at(row) - 1];
      for (int64_t w = first; w < end; w += kLanes)
        columns(strip_at(row), {b.row(w), b.stride}, std::min(kLanes, end - w), units,
                {c + row * p.ldc + w, p.ldc, p.m - row, p.accumulate});
    }
  }
}

}  // namespace

bool has_packed_product() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bf16");
  return has;
}

void multiply_packed(const Product& p, const void* a, const void* b, float* c, Bytes& scratch) {
  const int64_t bytes = static_cast<int64_t>(size_of(p.input)), units = p.k * bytes / 4;
  const Units from{static_cast<const std::byte*>(a), p.lda * bytes},
      weights{static_cast<const std::byte*>(b), p.ldb * bytes};
  const int64_t rows = (p.m + kLanes - 1) / kLanes * kLanes;
  std::byte* packed = scratch.reserve(static_cast<size_t>(rows * units * 4));
  p.input == Compute::kBF16 ? multiply_units<BF16Pair>(p, from, weights, units, c, packed)
                            : multiply_units<FloatUnit>(p, from, weights, units, c, packed);
}

}  // namespace committee::engine

#else

namespace committee::engine {
bool has_packed_product() { return false; }
void multiply_packed(const Product&, const void*, const void*, float*, Bytes&) {}
}  // namespace committee::engine

#endif

namespace committee::engine {

bool can_pack(const Product& p) { return p.b_transposed && (p.input == Compute::kF32 || p.k % 2 == 0); }

}  // namespace committee::engine
