#include "engine/packed_product.h"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>
#include <type_traits>

// GCC 12 warns of its own headers' undefined vectors.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#define COMMITTEE_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

namespace committee::engine {
namespace {

constexpr int64_t kLanes = 16;   // 32-bit units in a vector: rows of A in one
constexpr int kStreamed = 8;     // rows at a time, of as many streams as a set of the L1 cache has ways
constexpr int kMostVectors = 3;  // in a strip: 24 sums, 3 vectors and a broadcast unit are in registers
constexpr int64_t kStrip = kMostVectors * kLanes;
constexpr int64_t kPanelBytes = 256 << 10;  // of weights that stay in the L2 cache beside a strip
constexpr int kAheadLines = 4;              // of each weight row of the next block

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

// What a streamed unit of 32 bits is multiplied with: `kSteps` packed units, one after the other. What is
// around these only moves units.
struct FloatUnit {
  static constexpr int kSteps = 1;
  template <int>
  COMMITTEE_AVX512 static __m512 add(__m512 sum, __m512i x, __m512i streamed) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(streamed), sum);
  }
};
struct BF16Pair {
  static constexpr int kSteps = 1;
  template <int>
  COMMITTEE_AVX512 static __m512 add(__m512 sum, __m512i x, __m512i streamed) {
    return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)streamed);
  }
};
struct WidenedPair {  // bf16 streamed, float32 packed
  static constexpr int kSteps = 2;
  template <int kStep>
  COMMITTEE_AVX512 static __m512 add(__m512 sum, __m512i x, __m512i streamed) {
    const __m512i wide =
        kStep == 0 ? _mm512_slli_epi32(streamed, 16) : _mm512_and_epi32(streamed, _mm512_set1_epi32(-65536));
    return FloatUnit::add<0>(sum, x, wide);
  }
};

// Rows of units, `stride` bytes from row to row.
struct Rows {
  const std::byte* data = nullptr;
  int64_t stride = 0;

  Rows from(int64_t row) const { return {data + row * stride, stride}; }
};

COMMITTEE_AVX512 __mmask16 mask_of(int64_t lanes) {
  return static_cast<__mmask16>((1u << std::clamp<int64_t>(lanes, 0, kLanes)) - 1);
}

// A strip of up to 16·vectors rows, as [unit][vector][16 rows]; those past the last are zeros.
COMMITTEE_AVX512 void pack_rows(Rows from, int64_t rows, int vectors, int64_t units, std::byte* to) {
  const int64_t step = vectors * kLanes * 4;
  for (int v = 0; v < vectors; ++v) {
    for (int64_t u = 0; u < units; u += kLanes) {
      __m512i part[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) {
        const int64_t row = v * kLanes + i;
        part[i] = row < rows ? _mm512_maskz_loadu_epi32(mask_of(units - u), from.from(row).data + u * 4)
                             : _mm512_setzero_si512();
      }
      transpose(part);
      for (int64_t i = 0; i < std::min(kLanes, units - u); ++i)
        _mm512_store_si512(to + (u + i) * step + v * kLanes * 4, part[i]);
    }
  }
}

// The same strip of a matrix [k, n] from its column 0 on: columns in place of rows.
template <typename Unit>
COMMITTEE_AVX512 void pack_columns(Rows from, int64_t columns, int vectors, int64_t units, std::byte* to) {
  for (int64_t u = 0; u < units; ++u) {
    for (int v = 0; v < vectors; ++v, to += kLanes * 4) {
      const __mmask16 mask = mask_of(columns - v * kLanes);
      if constexpr (std::is_same_v<Unit, FloatUnit>) {
        _mm512_store_si512(to, _mm512_maskz_loadu_epi32(mask, from.from(u).data + v * kLanes * 4));
      } else {
        const auto half = [&](int64_t row) COMMITTEE_AVX512 {
          return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from.from(row).data + v * kLanes * 2));
        };
        _mm512_store_si512(to, _mm512_or_si512(half(2 * u), _mm512_slli_epi32(half(2 * u + 1), 16)));
      }
    }
  }
}

// sums[r][..] of `kRows` streamed rows with a strip of 16·kVectors packed ones. The first lines of the rows
// after them are asked for, as the processor's own read-ahead ends at every page.
template <typename Unit, int kVectors, int kRows>
COMMITTEE_AVX512 __attribute__((noinline)) void sum_block(const std::byte* strip, Rows streamed,
                                                          int64_t units, float* sums, int64_t stride) {
  const std::byte* row[kRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    row[r] = streamed.from(r).data;
    for (int line = 0; line < kAheadLines; ++line)
      _mm_prefetch(row[r] + kRows * streamed.stride + line * 64, _MM_HINT_T0);
  }
  __m512 sum[kRows][kVectors] = {};
  const auto step = [&]<int kStep>(int64_t u) COMMITTEE_AVX512 __attribute__((always_inline)) {
    __m512i x[kVectors];
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v)
      x[v] = _mm512_load_si512(strip + ((u * Unit::kSteps + kStep) * kVectors + v) * kLanes * 4);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      int32_t unit;
      std::memcpy(&unit, row[r] + u * 4, sizeof(unit));
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v)
        sum[r][v] = Unit::template add<kStep>(sum[r][v], x[v], _mm512_set1_epi32(unit));
    }
  };
  for (int64_t u = 0; u < units; ++u) {
    step.template operator()<0>(u);
    if constexpr (Unit::kSteps == 2) step.template operator()<1>(u);
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) _mm512_storeu_ps(sums + r * stride + v * kLanes, sum[r][v]);
  }
}

// The same for `count` of them.
template <typename Unit, int kVectors>
void sum_rows(const std::byte* strip, Rows streamed, int64_t count, int64_t units, float* sums,
              int64_t stride) {
  int64_t r = 0;
  for (; r + kStreamed <= count; r += kStreamed)
    sum_block<Unit, kVectors, kStreamed>(strip, streamed.from(r), units, sums + r * stride, stride);
  for (; r < count; ++r)
    sum_block<Unit, kVectors, 1>(strip, streamed.from(r), units, sums + r * stride, stride);
}

struct Tile {  // of C
  float* c = nullptr;
  int64_t stride = 0, rows = 0, columns = 0;
  bool accumulate = false;
};

COMMITTEE_AVX512 inline void put(const Tile& out, int64_t row, int64_t column, __m512 sum) {
  float* c = out.c + row * out.stride + column;
  const __mmask16 mask = mask_of(out.columns - column);
  if (out.accumulate) sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), sum);
  _mm512_mask_storeu_ps(c, mask, sum);
}

// A strip of A's rows with up to 16 rows of B.
template <typename Unit, int kVectors>
COMMITTEE_AVX512 void tile_of_packed_a(const std::byte* strip, Rows b, int64_t units, const Tile& out) {
  alignas(64) float sums[kLanes * kStrip];
  sum_rows<Unit, kVectors>(strip, b, out.columns, units, sums, kVectors * kLanes);
  for (int v = 0; v < kVectors; ++v) {
    __m512i part[kLanes];
    for (int64_t i = 0; i < kLanes; ++i)
      part[i] =
          i < out.columns ? _mm512_load_si512(sums + (i * kVectors + v) * kLanes) : _mm512_setzero_si512();
    transpose(part);
    for (int64_t i = 0; i < std::min(kLanes, out.rows - v * kLanes); ++i)
      put(out, v * kLanes + i, 0, _mm512_castsi512_ps(part[i]));
  }
}

// A strip of B's columns with up to 16 rows of A.
template <typename Unit, int kVectors>
COMMITTEE_AVX512 void tile_of_packed_b(const std::byte* strip, Rows a, int64_t units, const Tile& out) {
  constexpr int64_t kColumns = kVectors * kLanes;
  if (!out.accumulate && out.columns >= kColumns)
    return sum_rows<Unit, kVectors>(strip, a, out.rows, units, out.c, out.stride);
  alignas(64) float sums[kLanes * kStrip];
  sum_rows<Unit, kVectors>(strip, a, out.rows, units, sums, kColumns);
  for (int64_t r = 0; r < out.rows; ++r) {
    for (int v = 0; v < kVectors; ++v)
      put(out, r, v * kLanes, _mm512_load_ps(sums + (r * kVectors + v) * kLanes));
  }
}

using MakeTile = void (*)(const std::byte*, Rows, int64_t, const Tile&);

int vectors_of(int64_t rows) {
  return static_cast<int>(std::min<int64_t>(kMostVectors, (rows + kLanes - 1) / kLanes));
}

// A product in which one side is packed and the other streamed where it lies.
struct Sides {
  Rows a, b;
  int64_t units = 0;  // of a streamed row
  std::byte* packed = nullptr;

  std::byte* strip(int64_t row, int64_t steps) const { return packed + row * units * steps * 4; }
};

template <typename Unit>
void pack_a(const Product& p, const Sides& sides, float* c) {
  constexpr MakeTile kTiles[] = {tile_of_packed_a<Unit, 1>, tile_of_packed_a<Unit, 2>,
                                 tile_of_packed_a<Unit, 3>};
  constexpr int kSteps = Unit::kSteps;
  for (int64_t row = 0; row < p.m; row += kStrip)
    pack_rows(sides.a.from(row), p.m - row, vectors_of(p.m - row), sides.units * kSteps,
              sides.strip(row, kSteps));
  const int64_t fit = kPanelBytes / (sides.units * 4) / kLanes * kLanes;
  const int64_t panel = std::clamp<int64_t>(fit, kLanes, 8 * kLanes);
  for (int64_t first = 0; first < p.n; first += panel) {
    const int64_t end = std::min(p.n, first + panel);
    for (int64_t row = 0; row < p.m; row += kStrip) {
      const MakeTile make = kTiles[vectors_of(p.m - row) - 1];
      for (int64_t w = first; w < end; w += kLanes)
        make(sides.strip(row, kSteps), sides.b.from(w), sides.units,
             {c + row * p.ldc + w, p.ldc, p.m - row, std::min(kLanes, end - w), p.accumulate});
    }
  }
}

template <typename Unit>
void pack_b(const Product& p, const Sides& sides, float* c) {
  constexpr MakeTile kTiles[] = {tile_of_packed_b<Unit, 1>, tile_of_packed_b<Unit, 2>,
                                 tile_of_packed_b<Unit, 3>};
  for (int64_t column = 0; column < p.n; column += kStrip) {
    const int64_t left = p.n - column;
    const int vectors = vectors_of(left);
    if (p.b_transposed) {
      pack_rows(sides.b.from(column), left, vectors, sides.units, sides.packed);
    } else {
      const std::byte* first = sides.b.data + column * static_cast<int64_t>(size_of(p.input));
      pack_columns<Unit>({first, sides.b.stride}, left, vectors, sides.units, sides.packed);
    }
    for (int64_t row = 0; row < p.m; row += kLanes)
      kTiles[vectors - 1](sides.packed, sides.a.from(row), sides.units,
                          {c + row * p.ldc + column, p.ldc, std::min(kLanes, p.m - row), left, p.accumulate});
  }
}

// Whether it is cheaper to pack B than to pack A and transpose C: attention's products, not those of weights.
bool packs_b(const Product& p, int64_t units) {
  return !p.b_transposed || (!p.b_bf16 && 2 * p.n * units < p.m * (units + p.n));
}

}  // namespace

bool has_packed_product() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
  return has;
}

void multiply_packed(const Product& p, const void* a, const void* b, float* c, Bytes& scratch) {
  const bool bf16 = p.input == Compute::kBF16;
  const int64_t a_bytes = static_cast<int64_t>(size_of(p.input)), b_bytes = p.b_bf16 ? 2 : a_bytes;
  Sides sides{{static_cast<const std::byte*>(a), p.lda * a_bytes},
              {static_cast<const std::byte*>(b), p.ldb * b_bytes},
              p.k * b_bytes / 4,
              scratch.reserve(packed_bytes(p.m, p.k, p.input))};
  if (packs_b(p, sides.units)) return (bf16 ? pack_b<BF16Pair> : pack_b<FloatUnit>)(p, sides, c);
  const auto multiply = bf16 ? pack_a<BF16Pair> : p.b_bf16 ? pack_a<WidenedPair> : pack_a<FloatUnit>;
  const Rows rows = sides.a;
  Product part = p;
  for (int64_t row = 0; row < p.m; row += kPackedRows) {
    part.m = std::min(kPackedRows, p.m - row);
    sides.a = rows.from(row);
    multiply(part, sides, c + row * p.ldc);
  }
}

}  // namespace committee::engine

#else

namespace committee::engine {
bool has_packed_product() { return false; }
void multiply_packed(const Product&, const void*, const void*, float*, Bytes&) {}
}  // namespace committee::engine

#endif

namespace committee::engine {

size_t packed_bytes(int64_t rows, int64_t k, Compute input) {
  constexpr int64_t kUnit = 16, kLeast = 48;  // a strip of B's columns
  const int64_t packed = std::max(kLeast, (std::min(rows, kPackedRows) + kUnit - 1) / kUnit * kUnit);
  return static_cast<size_t>(packed * k) * size_of(input);
}

bool can_pack(const Product& p) { return p.input == Compute::kF32 && !p.b_bf16 ? true : p.k % 2 == 0; }

}  // namespace committee::engine
