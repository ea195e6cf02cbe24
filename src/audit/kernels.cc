#include "audit/kernels.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "audit/kernels.cc"
#include "hwy/foreach_target.h"
//
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace committee::audit::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Doubles = hn::ScalableTag<double>;
using Floats = hn::CappedTag<float, kTileWidth>;

void AddExact(std::span<const double> x, double* HWY_RESTRICT high, double* HWY_RESTRICT low) {
  const Doubles d;
  auto step = [&](auto tag, size_t i) {
    const auto v = hn::LoadU(tag, x.data() + i), h = hn::LoadU(tag, high + i);
    const auto sum = hn::Add(h, v);
    const auto back = hn::Sub(sum, h);
    const auto error = hn::Add(hn::Sub(h, hn::Sub(sum, back)), hn::Sub(v, back));
    hn::StoreU(sum, tag, high + i);
    hn::StoreU(hn::Add(hn::LoadU(tag, low + i), error), tag, low + i);
  };
  size_t i = 0;
  for (; i + hn::Lanes(d) <= x.size(); i += hn::Lanes(d)) step(d, i);
  for (; i < x.size(); ++i) step(hn::CappedTag<double, 1>(), i);
}

void AddWidened(std::span<const float> x, double* HWY_RESTRICT sum) {
  const Doubles d;
  const hn::Rebind<float, Doubles> narrow;
  size_t i = 0;
  for (; i + hn::Lanes(d) <= x.size(); i += hn::Lanes(d)) {
    const auto wide = hn::PromoteTo(d, hn::LoadU(narrow, x.data() + i));
    hn::StoreU(hn::Add(hn::LoadU(d, sum + i), wide), d, sum + i);
  }
  for (; i < x.size(); ++i) sum[i] += static_cast<double>(x[i]);
}

void AddScaled(std::span<const double> x, double scale, double* HWY_RESTRICT sum) {
  const Doubles d;
  const auto factor = hn::Set(d, scale);
  size_t i = 0;
  for (; i + hn::Lanes(d) <= x.size(); i += hn::Lanes(d)) {
    hn::StoreU(hn::MulAdd(hn::LoadU(d, x.data() + i), factor, hn::LoadU(d, sum + i)), d, sum + i);
  }
  for (; i < x.size(); ++i) sum[i] += scale * x[i];
}

double Dot(std::span<const double> a, const double* HWY_RESTRICT b) {
  const Doubles d;
  const size_t lanes = hn::Lanes(d);
  auto first = hn::Zero(d), second = first;
  size_t i = 0;
  for (; i + 2 * lanes <= a.size(); i += 2 * lanes) {
    first = hn::MulAdd(hn::LoadU(d, a.data() + i), hn::LoadU(d, b + i), first);
    second = hn::MulAdd(hn::LoadU(d, a.data() + i + lanes), hn::LoadU(d, b + i + lanes), second);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(first, second)));
  for (; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double Entropy(std::span<const double> p) {
  const Doubles d;
  auto sum = hn::Zero(d);
  auto term = [&](auto v) {
    const auto positive = hn::Gt(v, hn::Zero(d));
    return hn::Mul(v, hn::Log(d, hn::IfThenElse(positive, v, hn::Set(d, 1.0))));
  };
  size_t i = 0;
  for (; i + hn::Lanes(d) <= p.size(); i += hn::Lanes(d))
    sum = hn::Sub(sum, term(hn::LoadU(d, p.data() + i)));
  if (i < p.size()) {
    HWY_ALIGN double rest[hn::MaxLanes(d)] = {};
    std::copy(p.begin() + static_cast<std::ptrdiff_t>(i), p.end(), rest);
    sum = hn::Sub(sum, term(hn::Load(d, rest)));
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

// Four float32 sums of 16 floats run side by side to hide the latency of addition.
void AddRows(const float* HWY_RESTRICT tile, std::span<const int32_t> rows, double* HWY_RESTRICT out) {
  const Floats f;
  HWY_ALIGN float sums[kTileWidth];
  for (size_t begin = 0; begin < rows.size(); begin += kMostRows) {
    const auto batch = rows.subspan(begin, std::min(kMostRows, rows.size() - begin));
    for (size_t at = 0; at < kTileWidth; at += hn::Lanes(f)) {
      const float* base = tile + at;
      auto a = hn::Zero(f), b = a, c = a, e = a;
      size_t i = 0;
      for (; i + 4 <= batch.size(); i += 4) {
        a = hn::Add(a, hn::LoadU(f, base + batch[i] * kTileWidth));
        b = hn::Add(b, hn::LoadU(f, base + batch[i + 1] * kTileWidth));
        c = hn::Add(c, hn::LoadU(f, base + batch[i + 2] * kTileWidth));
        e = hn::Add(e, hn::LoadU(f, base + batch[i + 3] * kTileWidth));
      }
      for (; i < batch.size(); ++i) a = hn::Add(a, hn::LoadU(f, base + batch[i] * kTileWidth));
      hn::Store(hn::Add(hn::Add(a, b), hn::Add(c, e)), f, sums + at);
    }
    for (size_t at = 0; at < kTileWidth; ++at) out[at] += static_cast<double>(sums[at]);
  }
}

// kCount lists of times side by side.
template <size_t kCount>
HWY_INLINE void AddWeighted(const float* HWY_RESTRICT tile, size_t rows, const float* HWY_RESTRICT times,
                            size_t times_stride, double* HWY_RESTRICT out, size_t out_stride) {
  const Floats f;
  HWY_ALIGN float part[kTileWidth];
  for (size_t at = 0; at < kTileWidth; at += hn::Lanes(f)) {
    hn::Vec<Floats> sums[kCount];
    for (auto& sum : sums) sum = hn::Zero(f);
    for (size_t i = 0; i < rows; ++i) {
      const auto row = hn::LoadU(f, tile + i * kTileWidth + at);
      for (size_t r = 0; r < kCount; ++r) {
        sums[r] = hn::MulAdd(hn::Set(f, times[r * times_stride + i]), row, sums[r]);
      }
    }
    for (size_t r = 0; r < kCount; ++r) {
      hn::Store(sums[r], f, part);
      for (size_t c = 0; c < hn::Lanes(f); ++c) out[r * out_stride + at + c] += static_cast<double>(part[c]);
    }
  }
}

void AddWeightedRows(const float* tile, size_t rows, const float* times, size_t times_stride, size_t count,
                     double* out, size_t out_stride) {
  constexpr size_t kBlock = 12;
  size_t r = 0;
  for (; r + kBlock <= count; r += kBlock) {
    AddWeighted<kBlock>(tile, rows, times + r * times_stride, times_stride, out + r * out_stride, out_stride);
  }
  for (; r + 4 <= count; r += 4) {
    AddWeighted<4>(tile, rows, times + r * times_stride, times_stride, out + r * out_stride, out_stride);
  }
  for (; r < count; ++r) {
    AddWeighted<1>(tile, rows, times + r * times_stride, times_stride, out + r * out_stride, out_stride);
  }
}

// Blocks of kRows x kColumnBlock in registers.
template <size_t kRows>
HWY_INLINE void MultiplyRows(const float* HWY_RESTRICT a, size_t depth, const float* HWY_RESTRICT b,
                             size_t columns, float* HWY_RESTRICT out) {
  const Floats f;
  const size_t lanes = hn::Lanes(f);
  for (size_t column = 0; column < columns; column += lanes) {
    hn::Vec<Floats> sums[kRows];
    for (auto& sum : sums) sum = hn::Zero(f);
    for (size_t p = 0; p < depth; ++p) {
      const auto right = hn::LoadU(f, b + p * columns + column);
      for (size_t r = 0; r < kRows; ++r) {
        sums[r] = hn::MulAdd(hn::Set(f, a[r * depth + p]), right, sums[r]);
      }
    }
    for (size_t r = 0; r < kRows; ++r) hn::StoreU(sums[r], f, out + r * columns + column);
  }
}

void Multiply(const float* a, size_t rows, size_t depth, const float* b, size_t columns, float* out) {
  constexpr size_t kBlock = 12;
  size_t row = 0;
  for (; row + kBlock <= rows; row += kBlock) {
    MultiplyRows<kBlock>(a + row * depth, depth, b, columns, out + row * columns);
  }
  for (; row < rows; ++row) MultiplyRows<1>(a + row * depth, depth, b, columns, out + row * columns);
}

void Silhouettes(const SilhouetteInput& in, float* HWY_RESTRICT out) {
  const hn::CappedTag<float, kLanes> f;
  const hn::RebindToSigned<decltype(f)> d32;
  const auto zero = hn::Zero(f);
  for (size_t i = 0; i < in.rows; ++i) {
    const auto offset = hn::Set(f, in.offset[i]);
    for (size_t lane = 0; lane < kLanes; lane += hn::Lanes(f)) {
      const auto label = hn::LoadU(d32, in.labels + i * kLanes + lane);
      const auto copies = hn::LoadU(f, in.copies + i * kLanes + lane);
      auto a = zero, size = zero, b = hn::Set(f, 1e30F);
      for (size_t t = 0; t < in.domains; ++t) {
        const auto product = hn::LoadU(f, in.products + (t * in.rows + i) * kLanes + lane);
        const auto base = hn::LoadU(f, in.base + t * kLanes + lane);
        const auto distance =
            hn::Max(zero, hn::Sub(hn::Sub(offset, base), hn::Mul(product, hn::Set(f, 1 / in.counts[t]))));
        const auto own = hn::RebindMask(f, hn::Eq(label, hn::Set(d32, static_cast<int32_t>(t))));
        a = hn::IfThenElse(own, distance, a);
        size = hn::IfThenElse(own, hn::Set(f, in.counts[t]), size);
        b = hn::IfThenElse(own, b, hn::Min(b, distance));
      }
      const auto others = hn::Sub(size, copies);
      const auto alone = hn::Le(others, zero);
      a = hn::Div(hn::Mul(a, size), hn::IfThenElse(alone, hn::Set(f, 1.0F), others));
      const auto most = hn::Max(a, b);
      const auto undecided = hn::Or(alone, hn::Le(most, zero));
      const auto s = hn::Div(hn::Sub(b, a), hn::IfThenElse(undecided, hn::Set(f, 1.0F), most));
      hn::StoreU(hn::IfThenZeroElse(undecided, s), f, out + i * kLanes + lane);
    }
  }
}

void AddShifted(const float* HWY_RESTRICT row, size_t n, std::span<const int32_t> shifts,
                float* HWY_RESTRICT sums) {
  const hn::ScalableTag<float> f;
  for (size_t r = 0; r < shifts.size(); ++r) {
    const float* from = row + shifts[r];
    float* to = sums + r * n;
    size_t i = 0;
    for (; i + hn::Lanes(f) <= n; i += hn::Lanes(f)) {
      hn::StoreU(hn::Add(hn::LoadU(f, to + i), hn::LoadU(f, from + i)), f, to + i);
    }
    for (; i < n; ++i) to[i] += from[i];
  }
}

}  // namespace committee::audit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace committee::audit::kernels {

HWY_EXPORT(AddExact);
HWY_EXPORT(AddWidened);
HWY_EXPORT(AddScaled);
HWY_EXPORT(Dot);
HWY_EXPORT(Entropy);
HWY_EXPORT(AddRows);
HWY_EXPORT(AddWeightedRows);
HWY_EXPORT(Multiply);
HWY_EXPORT(Silhouettes);
HWY_EXPORT(AddShifted);

void add_exact(std::span<const double> x, double* high, double* low) {
  HWY_DYNAMIC_DISPATCH(AddExact)(x, high, low);
}
void add_widened(std::span<const float> x, double* sum) { HWY_DYNAMIC_DISPATCH(AddWidened)(x, sum); }
void add_scaled(std::span<const double> x, double scale, double* sum) {
  HWY_DYNAMIC_DISPATCH(AddScaled)(x, scale, sum);
}
double dot(std::span<const double> a, const double* b) { return HWY_DYNAMIC_DISPATCH(Dot)(a, b); }
double entropy(std::span<const double> p) { return HWY_DYNAMIC_DISPATCH(Entropy)(p); }
void add_rows(const float* tile, std::span<const int32_t> rows, double* out) {
  HWY_DYNAMIC_DISPATCH(AddRows)(tile, rows, out);
}
void add_weighted_rows(const float* tile, size_t rows, const float* times, size_t times_stride, size_t count,
                       double* out, size_t out_stride) {
  HWY_DYNAMIC_DISPATCH(AddWeightedRows)(tile, rows, times, times_stride, count, out, out_stride);
}
void multiply(const float* a, size_t rows, size_t depth, const float* b, size_t columns, float* out) {
  HWY_DYNAMIC_DISPATCH(Multiply)(a, rows, depth, b, columns, out);
}

void silhouettes(const SilhouetteInput& input, float* out) { HWY_DYNAMIC_DISPATCH(Silhouettes)(input, out); }
void add_shifted(const float* row, size_t n, std::span<const int32_t> shifts, float* sums) {
  HWY_DYNAMIC_DISPATCH(AddShifted)(row, n, shifts, sums);
}

}  // namespace committee::audit::kernels
#endif
