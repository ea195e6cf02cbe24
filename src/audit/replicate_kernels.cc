#include "audit/replicate_kernels.h"

#include <algorithm>

// Vectors in arrays need a size.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
// Whose processors multiply and add pairs of 16-bit numbers in one instruction.
#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "audit/replicate_kernels.cc"
#include <hwy/foreach_target.h>
// Highway needs its header after foreach_target.h.
#include <hwy/highway.h>

#include "base/product_block-inl.h"

HWY_BEFORE_NAMESPACE();
#if HWY_TARGET == HWY_AVX3_DL && HWY_COMPILER_GCC_ACTUAL
#pragma GCC target("avx512vnni")  // which that target has, and Highway does not name
#endif
namespace committee::audit::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, kTileWidth>;
using Doubles = hn::ScalableTag<double>;
constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3;  // 32 instead of 16

// out[i] += the lanes of a sum, widened.
HWY_INLINE void AddWidened(hn::Vec<Floats> sum, double* HWY_RESTRICT out) {
  const Floats f;
  const Doubles d;
  const hn::Rebind<float, Doubles> narrow;
  HWY_ALIGN float lanes[kTileWidth];
  hn::Store(sum, f, lanes);
  for (size_t i = 0; i < hn::Lanes(f); i += hn::Lanes(d)) {
    hn::StoreU(hn::Add(hn::LoadU(d, out + i), hn::PromoteTo(d, hn::LoadU(narrow, lanes + i))), d, out + i);
  }
}

void AddUnits(const float* HWY_RESTRICT tile, std::span<const int32_t> places,
              std::span<const int32_t> segments, float* HWY_RESTRICT sums) {
  const Floats f;
  static_assert(kUnit == 8);
  for (size_t column = 0; column < kTileWidth; column += hn::Lanes(f)) {
    const float* from = tile + column;
    const int32_t* place = places.data();
    for (const int32_t segment : segments) {
      const auto row = [&](size_t j) { return hn::LoadU(f, from + place[j]); };
      const auto first = hn::Add(hn::Add(row(0), row(1)), hn::Add(row(2), row(3)));
      const auto second = hn::Add(hn::Add(row(4), row(5)), hn::Add(row(6), row(7)));
      float* to = sums + segment * static_cast<int32_t>(kTileWidth) + column;
      hn::StoreU(hn::Add(hn::LoadU(f, to), hn::Add(first, second)), f, to);
      place += kUnit;
    }
  }
}

// kRows replicates by kVectors vectors of columns that are `next` floats apart.
template <int kRows, int kVectors>
HWY_INLINE void AddWeighted(const WeightedSums& in, const float* tile, size_t next, size_t first,
                            double* HWY_RESTRICT out, size_t out_stride) {
  const Floats f;
  hn::Vec<Floats> sums[kRows][kVectors];
  committee::HWY_NAMESPACE::multiply_block(
      f, tile, kTileWidth, static_cast<int64_t>(next), in.times + first * in.times_stride,
      static_cast<int64_t>(in.times_stride), static_cast<int64_t>(in.rows), sums);
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v)
      AddWidened(sums[r][v], out + (first + r) * out_stride + v * hn::Lanes(f));
  }
}

template <int kVectors>
void AddVectors(const WeightedSums& in, const float* tile, size_t next, double* out, size_t out_stride) {
  constexpr int kBlock = kManyRegisters ? 12 : 6;
  size_t r = 0;
  for (; r + kBlock <= in.count; r += kBlock)
    AddWeighted<kBlock, kVectors>(in, tile, next, r, out, out_stride);
  for (; r + 4 <= in.count; r += 4) AddWeighted<4, kVectors>(in, tile, next, r, out, out_stride);
  for (; r < in.count; ++r) AddWeighted<1, kVectors>(in, tile, next, r, out, out_stride);
}

void AddWeightedRows(const WeightedSums& in, double* HWY_RESTRICT out, size_t out_stride) {
  const size_t lanes = hn::Lanes(Floats());
  if (lanes == kTileWidth) {
    if (in.tiles == 2) return AddVectors<2>(in, in.tile, in.next_tile, out, out_stride);
    return AddVectors<1>(in, in.tile, 0, out, out_stride);
  }
  for (size_t column = 0; column < in.tiles * kTileWidth; column += 2 * lanes) {
    const float* tile = in.tile + column / kTileWidth * in.next_tile + column % kTileWidth;
    AddVectors<2>(in, tile, lanes, out + column, out_stride);
  }
}

using Ints = hn::CappedTag<int32_t, kLanes>;

// sum[lane] += the product of two pairs.
HWY_INLINE hn::Vec<Ints> AddPair(hn::Vec<Ints> a, hn::Vec<Ints> b, hn::Vec<Ints> sum) {
#if HWY_TARGET == HWY_AVX3_DL && HWY_COMPILER_GCC_ACTUAL
  return hn::Vec<Ints>{_mm512_dpwssd_epi32(sum.raw, a.raw, b.raw)};
#elif HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR
  const Ints d;
  const hn::Repartition<int16_t, Ints> shorts;
  auto unused = hn::Zero(d);
  // Of neighbours, on these processors.
  return hn::ReorderWidenMulAccumulate(d, hn::BitCast(shorts, a), hn::BitCast(shorts, b), sum, unused);
#else
  const auto low = [](auto v) { return hn::ShiftRight<16>(hn::ShiftLeft<16>(v)); };
  const auto high = [](auto v) { return hn::ShiftRight<16>(v); };
  return hn::Add(sum, hn::Add(hn::Mul(low(a), low(b)), hn::Mul(high(a), high(b))));
#endif
}

// kRows rows by kDomains domains, from the lane `lane` on.
template <int kRows, int kDomains>
HWY_INLINE void MultiplyBlock(const int32_t* HWY_RESTRICT a, size_t pairs, const int32_t* HWY_RESTRICT b,
                              size_t lane, size_t rows, int32_t* HWY_RESTRICT out) {
  const Ints d;
  hn::Vec<Ints> sums[kRows][kDomains];
  for (auto& row : sums) {
    for (auto& sum : row) sum = hn::Zero(d);
  }
  for (size_t p = 0; p < pairs; ++p) {
    hn::Vec<Ints> right[kDomains];
    for (int t = 0; t < kDomains; ++t) right[t] = hn::LoadU(d, b + (t * pairs + p) * kLanes + lane);
    for (int r = 0; r < kRows; ++r) {
      const auto left = hn::Set(d, a[r * pairs + p]);
      for (int t = 0; t < kDomains; ++t) sums[r][t] = AddPair(left, right[t], sums[r][t]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int t = 0; t < kDomains; ++t) hn::StoreU(sums[r][t], d, out + (t * rows + r) * kLanes + lane);
  }
}

template <int kDomains>
void MultiplyDomains(const int32_t* a, size_t rows, size_t pairs, const int32_t* b, int32_t* out) {
  constexpr int kRows = kManyRegisters ? 8 : 4;
  for (size_t lane = 0; lane < kLanes; lane += hn::Lanes(Ints())) {
    size_t r = 0;
    for (; r + kRows <= rows; r += kRows)
      MultiplyBlock<kRows, kDomains>(a + r * pairs, pairs, b, lane, rows, out + r * kLanes);
    for (; r < rows; ++r) MultiplyBlock<1, kDomains>(a + r * pairs, pairs, b, lane, rows, out + r * kLanes);
  }
}

void MultiplyPairs(const int32_t* a, size_t rows, size_t pairs, const int32_t* b, size_t domains,
                   int32_t* out) {
  const auto b_at = [&](size_t t) { return b + t * pairs * kLanes; };
  const auto out_at = [&](size_t t) { return out + t * rows * kLanes; };
  size_t t = 0;
  for (; t + 3 <= domains; t += 3) MultiplyDomains<3>(a, rows, pairs, b_at(t), out_at(t));
  if (domains - t == 2) MultiplyDomains<2>(a, rows, pairs, b_at(t), out_at(t));
  if (domains - t == 1) MultiplyDomains<1>(a, rows, pairs, b_at(t), out_at(t));
}

// Some lanes of one sample.
HWY_INLINE void AddSilhouette(const SilhouetteSums& in, size_t i, size_t lane, float* HWY_RESTRICT sums) {
  const hn::CappedTag<float, kLanes> f;
  const Ints d;
  const auto zero = hn::Zero(f), one = hn::Set(f, 1.0F), row_scale = hn::Set(f, in.row_scale[i]);
  const auto label = in.own != nullptr ? hn::Set(d, in.own[i]) : hn::LoadU(d, in.labels + i * kLanes + lane);
  const auto copies = in.copies != nullptr ? hn::LoadU(f, in.copies + i * kLanes + lane) : one;
  const auto is = [&](size_t t) {
    return hn::RebindMask(f, hn::Eq(label, hn::Set(d, static_cast<int32_t>(t))));
  };
  auto a = zero, size = zero, b = hn::Set(f, 1e30F);
  for (size_t t = 0; t < in.domains; ++t) {
    const auto product = hn::ConvertTo(f, hn::LoadU(d, in.products + (t * in.rows + i) * kLanes + lane));
    const auto scale = hn::Mul(row_scale, hn::LoadU(f, in.scale + t * kLanes + lane));
    const auto rest =
        hn::Sub(hn::Set(f, in.near[t * in.near_stride + i]), hn::LoadU(f, in.base + t * kLanes + lane));
    const auto distance = hn::Max(zero, hn::NegMulAdd(product, scale, rest));
    const auto own = is(t);
    a = hn::IfThenElse(own, distance, a);
    size = hn::IfThenElse(own, hn::Set(f, in.counts[t]), size);
    b = hn::IfThenElse(own, b, hn::Min(b, distance));
  }
  const auto others = hn::Sub(size, copies);
  const auto alone = hn::Le(others, zero);
  a = hn::Div(hn::Mul(a, size), hn::IfThenElse(alone, one, others));
  const auto most = hn::Max(a, b);
  const auto undecided = hn::Or(alone, hn::Le(most, zero));
  auto s = hn::Div(hn::Sub(b, a), hn::IfThenElse(undecided, one, most));
  s = hn::IfThenZeroElse(undecided, hn::Mul(s, copies));
  const auto add = [&](size_t t, auto value) {
    float* to = sums + t * kLanes + lane;
    hn::StoreU(hn::Add(hn::LoadU(f, to), value), f, to);
  };
  if (in.own != nullptr) {
    add(static_cast<size_t>(in.own[i]), s);
  } else {
    for (size_t t = 0; t < in.domains; ++t) add(t, hn::IfThenElseZero(is(t), s));
  }
}

void AddSilhouettes(const SilhouetteSums& in, float* HWY_RESTRICT sums) {
  for (size_t i = 0; i < in.rows; ++i) {
    for (size_t lane = 0; lane < kLanes; lane += hn::Lanes(Ints())) AddSilhouette(in, i, lane, sums);
  }
}

// kVectors vectors of columns.
template <int kVectors>
HWY_INLINE void AddShifted(const float* HWY_RESTRICT rows, size_t n, std::span<const int32_t> shifts,
                           double* HWY_RESTRICT sums) {
  const Floats f;
  const size_t lanes = hn::Lanes(f);
  hn::Vec<Floats> sum[kVectors];
  for (auto& v : sum) v = hn::Zero(f);
  for (size_t i = 0; i < shifts.size(); ++i) {
    const float* row = rows + i * 2 * n + shifts[i];
    for (int v = 0; v < kVectors; ++v) sum[v] = hn::Add(sum[v], hn::LoadU(f, row + v * lanes));
  }
  for (int v = 0; v < kVectors; ++v) AddWidened(sum[v], sums + v * lanes);
}

void AddShiftedRows(const float* rows, size_t n, std::span<const int32_t> shifts, double* sums) {
  const size_t lanes = hn::Lanes(Floats());
  size_t c = 0;
  for (; c + 8 * lanes <= n; c += 8 * lanes) AddShifted<8>(rows + c, n, shifts, sums + c);
  for (; c + lanes <= n; c += lanes) AddShifted<1>(rows + c, n, shifts, sums + c);
  for (; c < n; ++c) {
    float sum = 0;
    for (size_t i = 0; i < shifts.size(); ++i) sum += rows[i * 2 * n + shifts[i] + c];
    sums[c] += static_cast<double>(sum);
  }
}

}  // namespace committee::audit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace committee::audit::kernels {

HWY_EXPORT(AddUnits);
HWY_EXPORT(AddWeightedRows);
HWY_EXPORT(MultiplyPairs);
HWY_EXPORT(AddSilhouettes);
HWY_EXPORT(AddShiftedRows);

void add_units(const float* tile, std::span<const int32_t> places, std::span<const int32_t> segments,
               float* sums) {
  HWY_DYNAMIC_DISPATCH(AddUnits)(tile, places, segments, sums);
}
void add_weighted_rows(const WeightedSums& in, double* out, size_t out_stride) {
  HWY_DYNAMIC_DISPATCH(AddWeightedRows)(in, out, out_stride);
}
void multiply_pairs(const int32_t* a, size_t rows, size_t pairs, const int32_t* b, size_t domains,
                    int32_t* out) {
  HWY_DYNAMIC_DISPATCH(MultiplyPairs)(a, rows, pairs, b, domains, out);
}
void add_silhouettes(const SilhouetteSums& in, float* sums) {
  HWY_DYNAMIC_DISPATCH(AddSilhouettes)(in, sums);
}
void add_shifted_rows(const float* rows, size_t n, std::span<const int32_t> shifts, double* sums) {
  HWY_DYNAMIC_DISPATCH(AddShiftedRows)(rows, n, shifts, sums);
}

}  // namespace committee::audit::kernels
#endif
