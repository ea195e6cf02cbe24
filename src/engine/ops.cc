#include "engine/ops.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/ops.cc"
#include <hwy/foreach_target.h>
// Highway needs its header after foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace committee::engine::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::ScalableTag<float>;

// Calls part(d, i) for whole vectors, then element by element.
template <typename Part>
HWY_INLINE void for_parts(int64_t n, const Part& part) {
  const Floats whole;
  const hn::CappedTag<float, 1> single;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(whole));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) part(whole, i);
  for (; i < n; ++i) part(single, i);
}

// Bits rounded to a bf16's, to the nearest, ties to even. A NaN whose payload is all ones is none any more.
template <typename D>
HWY_INLINE hn::Vec<D> round_to_bf16(D du, hn::Vec<D> bits) {
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  return hn::Add(hn::Add(bits, odd), hn::Set(du, 0x7FFF));
}

template <typename D>
HWY_INLINE void store_high_half(D /*du*/, hn::Vec<D> bits, void* out, int64_t i) {
  const hn::Rebind<uint16_t, D> dh;
  const auto high = hn::BitCast(hn::RebindToSigned<D>(), hn::ShiftRight<16>(bits));
  hn::StoreU(hn::DemoteTo(dh, high), dh, static_cast<uint16_t*>(out) + i);
}

template <typename D>
HWY_INLINE void store_part(D d, hn::Vec<D> x, Compute type, void* out, int64_t i) {
  if (type == Compute::kF32) {
    hn::StoreU(x, d, static_cast<float*>(out) + i);
    return;
  }
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, x);
  const auto quiet = hn::Or(bits, hn::Set(du, 0x400000));
  const auto is_nan = hn::RebindMask(du, hn::IsNaN(x));
  store_high_half(du, hn::IfThenElse(is_nan, quiet, round_to_bf16(du, bits)), out, i);
}

// e^x to 2e-7 relative: 2^n · e^r with |r| ≤ ln 2 / 2 and the first terms of e^r's series. 0 below -86; x is
// at most 88; a NaN stays one.
template <typename D>
HWY_INLINE hn::Vec<D> exponential(D d, hn::Vec<D> x) {
  const hn::RebindToUnsigned<D> du;
  const auto least = hn::Set(d, -86.0f);
  // Of this order, x86's maximum of a NaN is the NaN.
  const auto in_range = hn::Max(least, x);
  // n rounded, in the low bits of a number so large that it has no fraction.
  const auto large = hn::Set(d, 12582912.0f);
  const auto shifted = hn::MulAdd(in_range, hn::Set(d, 1.44269504f), large);
  const auto n = hn::Sub(shifted, large);
  // ln 2 in two parts, the first with few enough bits that its product is exact.
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), in_range);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  auto sum = hn::Set(d, 1.0f / 720);
  for (const float term : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
    sum = hn::MulAdd(sum, r, hn::Set(d, term));
  const auto power = hn::ShiftLeft<23>(hn::BitCast(du, shifted));
  const auto result = hn::BitCast(d, hn::Add(hn::BitCast(du, sum), power));
  return hn::IfThenZeroElse(hn::Lt(x, least), result);
}

float SumOfSquares(const float* x, int64_t n) {
  const Floats d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    sum = hn::MulAdd(v, v, sum);
  }
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < n; ++i) total += x[i] * x[i];
  return total;
}

void MulRow(const float* x, const float* weight, float factor, int64_t n, float* out) {
  for_parts(n, [&](auto d, int64_t i) {
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor)), hn::LoadU(d, weight + i)), d,
               out + i);
  });
}

void AddScaled(float scale, const float* y, int64_t n, float* x) {
  for_parts(n, [&](auto d, int64_t i) {
    hn::StoreU(hn::MulAdd(hn::Set(d, scale), hn::LoadU(d, y + i), hn::LoadU(d, x + i)), d, x + i);
  });
}

void SiluMul(const float* gate, const float* up, int64_t n, Compute type, void* out) {
  for_parts(n, [&](auto d, int64_t i) {
    const auto g = hn::LoadU(d, gate + i);
    const auto silu =
        hn::Div(g, hn::Add(hn::Set(d, 1.0f), exponential(d, hn::Min(hn::Neg(g), hn::Set(d, 88.0f)))));
    store_part(d, hn::Mul(silu, hn::LoadU(d, up + i)), type, out, i);
  });
}

void Store(const float* x, int64_t n, Compute type, void* out) {
  for_parts(n, [&](auto d, int64_t i) { store_part(d, hn::LoadU(d, x + i), type, out, i); });
}

void WidenBF16(const uint16_t* x, int64_t n, float* out) {
  for_parts(n, [&](auto d, int64_t i) {
    using D = decltype(d);
    const hn::Rebind<uint16_t, D> dh;
    const hn::RebindToUnsigned<D> du;
    hn::StoreU(hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(dh, x + i)))), d, out + i);
  });
}

void WidenF16(const uint16_t* x, int64_t n, float* out) {
  for_parts(n, [&](auto d, int64_t i) {
    const hn::Rebind<hwy::float16_t, decltype(d)> dh;
    hn::StoreU(hn::PromoteTo(d, hn::LoadU(dh, reinterpret_cast<const hwy::float16_t*>(x) + i)), d, out + i);
  });
}

void Scale(float factor, int64_t n, float* x) {
  for_parts(
      n, [&](auto d, int64_t i) { hn::StoreU(hn::Mul(hn::Set(d, factor), hn::LoadU(d, x + i)), d, x + i); });
}

float MaxOf(const float* x, int64_t n) {
  const Floats d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto most = hn::Set(d, x[0]);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) most = hn::Max(most, hn::LoadU(d, x + i));
  float result = hn::GetLane(hn::MaxOfLanes(d, most));
  for (; i < n; ++i) result = std::max(result, x[i]);
  return result;
}

float ExpRow(const float* x, float factor, float shift, int64_t n, Compute type, void* out) {
  const Floats whole;
  auto sum = hn::Zero(whole);
  float rest = 0;
  for_parts(n, [&](auto d, int64_t i) {
    const auto y = hn::MulSub(hn::LoadU(d, x + i), hn::Set(d, factor), hn::Set(d, shift));
    const auto e = exponential(d, y);
    if constexpr (std::is_same_v<decltype(d), Floats>) {
      sum = hn::Add(sum, e);
    } else {
      rest += hn::GetLane(e);
    }
    if (type == Compute::kF32) {
      hn::StoreU(e, d, static_cast<float*>(out) + i);
    } else {  // the sum keeps what a NaN loses
      const hn::RebindToUnsigned<decltype(d)> du;
      store_high_half(du, round_to_bf16(du, hn::BitCast(du, e)), out, i);
    }
  });
  return hn::GetLane(hn::SumOfLanes(whole, sum)) + rest;
}

void RotateHalves(const float* cos, const float* sin, int64_t half, float* head) {
  for_parts(half, [&](auto d, int64_t i) {
    const auto c = hn::LoadU(d, cos + i), s = hn::LoadU(d, sin + i);
    const auto a = hn::LoadU(d, head + i), b = hn::LoadU(d, head + half + i);
    hn::StoreU(hn::NegMulAdd(b, s, hn::Mul(a, c)), d, head + i);
    hn::StoreU(hn::MulAdd(a, s, hn::Mul(b, c)), d, head + half + i);
  });
}

}  // namespace committee::engine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace committee::engine {

using model::DType;
using model::Tensor;

HWY_EXPORT(SumOfSquares);
HWY_EXPORT(MulRow);
HWY_EXPORT(AddScaled);
HWY_EXPORT(SiluMul);
HWY_EXPORT(Store);
HWY_EXPORT(WidenBF16);
HWY_EXPORT(WidenF16);
HWY_EXPORT(Scale);
HWY_EXPORT(MaxOf);
HWY_EXPORT(ExpRow);
HWY_EXPORT(RotateHalves);

bool rms_norm(const float* x, const float* weight, int64_t n, double eps, float* out) {
  const double mean = HWY_DYNAMIC_DISPATCH(SumOfSquares)(x, n) / static_cast<double>(n);
  HWY_DYNAMIC_DISPATCH(MulRow)(x, weight, static_cast<float>(1.0 / std::sqrt(mean + eps)), n, out);
  return std::isfinite(mean);
}

void add_scaled(float factor, const float* y, int64_t n, float* x) {
  HWY_DYNAMIC_DISPATCH(AddScaled)(factor, y, n, x);
}

void silu_mul(const float* gate, const float* up, int64_t n, Compute type, void* out) {
  HWY_DYNAMIC_DISPATCH(SiluMul)(gate, up, n, type, out);
}

void store(const float* x, int64_t n, Compute type, void* out) {
  if (type == Compute::kF32) {
    std::memcpy(out, x, static_cast<size_t>(n) * sizeof(float));
  } else {
    HWY_DYNAMIC_DISPATCH(Store)(x, n, type, out);
  }
}

void load(const Tensor& tensor, int64_t begin, int64_t n, float* out) {
  const std::byte* data = tensor.data + static_cast<size_t>(begin) * model::size_of(tensor.dtype);
  switch (tensor.dtype) {
    case DType::kF32:
      std::memcpy(out, data, static_cast<size_t>(n) * sizeof(float));
      break;
    case DType::kBF16:
      HWY_DYNAMIC_DISPATCH(WidenBF16)(reinterpret_cast<const uint16_t*>(data), n, out);
      break;
    case DType::kF16:
      HWY_DYNAMIC_DISPATCH(WidenF16)(reinterpret_cast<const uint16_t*>(data), n, out);
      break;
    default:
      throw Error("{}: a weight of type {} cannot be computed with", tensor.name, name_of(tensor.dtype));
  }
}

void convert(const Tensor& tensor, int64_t begin, int64_t n, Compute type, void* out) {
  if (type == Compute::kF32) return load(tensor, begin, n, static_cast<float*>(out));
  constexpr int64_t kPart = 1024;
  float part[kPart];
  for (int64_t i = 0; i < n; i += kPart) {
    const int64_t count = std::min(kPart, n - i);
    load(tensor, begin + i, count, part);
    store(part, count, type, static_cast<uint16_t*>(out) + i);
  }
}

std::vector<float> load_all(const Tensor& tensor) {
  int64_t count = tensor ? 1 : 0;
  for (const int64_t extent : tensor.shape) count *= extent;
  std::vector<float> values(static_cast<size_t>(count));
  if (count) load(tensor, 0, count, values.data());
  return values;
}

void scale(float factor, int64_t n, float* x) { HWY_DYNAMIC_DISPATCH(Scale)(factor, n, x); }

void clamp(float limit, int64_t n, float* x) {
  for (int64_t i = 0; i < n; ++i) x[i] = std::clamp(x[i], -limit, limit);
}

float max_of(const float* x, int64_t n) { return HWY_DYNAMIC_DISPATCH(MaxOf)(x, n); }

bool all_finite(const float* x, int64_t n) {
  constexpr uint32_t kExponent = 0x7F800000;
  uint32_t bad = 0;
  for (int64_t i = 0; i < n; ++i) bad |= (std::bit_cast<uint32_t>(x[i]) & kExponent) == kExponent;
  return bad == 0;
}

float exp_row(const float* x, float factor, float shift, int64_t n, Compute type, void* out) {
  return HWY_DYNAMIC_DISPATCH(ExpRow)(x, factor, shift, n, type, out);
}

void softmax(float* x, int64_t n) {
  const float sum = exp_row(x, 1.0f, max_of(x, n), n, Compute::kF32, x);
  scale(1.0f / sum, n, x);
}

void sigmoid(float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = 1.0f / (1.0f + std::exp(-x[i]));
}

int32_t arg_max(std::span<const float> x) {
  return static_cast<int32_t>(std::max_element(x.begin(), x.end()) - x.begin());
}

std::vector<double> rope_frequencies(const model::Rope& rope) {
  const int pairs = rope.dims / 2;
  std::vector<double> frequencies(static_cast<size_t>(pairs));
  for (int i = 0; i < pairs; ++i)
    frequencies[static_cast<size_t>(i)] = std::pow(rope.theta, -2.0 * i / rope.dims) / rope.linear_factor;
  if (!rope.yarn) return frequencies;
  // Pairs that turn often enough within the original positions stay; slow ones are interpolated; between the
  // two a ramp.
  const model::Yarn& yarn = *rope.yarn;
  const auto pair_of = [&](double turns) {
    return rope.dims * std::log(yarn.original_positions / (turns * 2 * M_PI)) / (2 * std::log(rope.theta));
  };
  const double first = pair_of(yarn.beta_fast), last = pair_of(yarn.beta_slow);
  const double low = std::max(yarn.truncate ? std::floor(first) : first, 0.0);
  double high = std::min(yarn.truncate ? std::ceil(last) : last, rope.dims - 1.0);
  if (high == low) high += 0.001;
  for (int i = 0; i < pairs; ++i) {
    const double ramp = std::clamp((i - low) / (high - low), 0.0, 1.0);
    double& f = frequencies[static_cast<size_t>(i)];
    f = f / yarn.factor * ramp + f * (1 - ramp);
  }
  return frequencies;
}

RopeTable::RopeTable(const model::Rope& rope, int64_t positions)
    : pairing_(rope.pairing), half_(rope.dims / 2) {
  const double factor = rope.yarn ? rope.yarn->attention_factor : 1.0;
  const std::vector<double> frequencies = rope_frequencies(rope);
  cos_.reserve(static_cast<size_t>(positions * half_));
  sin_.reserve(static_cast<size_t>(positions * half_));
  for (int64_t p = 0; p < positions; ++p) {
    for (const double f : frequencies) {
      cos_.push_back(static_cast<float>(std::cos(static_cast<double>(p) * f) * factor));
      sin_.push_back(static_cast<float>(std::sin(static_cast<double>(p) * f) * factor));
    }
  }
}

void RopeTable::rotate(int64_t position, float* head) const {
  const float* cos = cos_.data() + position * half_;
  const float* sin = sin_.data() + position * half_;
  if (pairing_ == model::RopePairing::kHalves) {
    HWY_DYNAMIC_DISPATCH(RotateHalves)(cos, sin, half_, head);
    return;
  }
  for (int64_t i = 0; i < half_; ++i) {
    const float a = head[2 * i], b = head[2 * i + 1];
    head[2 * i] = a * cos[i] - b * sin[i];
    head[2 * i + 1] = a * sin[i] + b * cos[i];
  }
}

}  // namespace committee::engine
#endif  // HWY_ONCE
