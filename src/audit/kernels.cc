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

}  // namespace committee::audit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace committee::audit::kernels {

HWY_EXPORT(AddExact);
HWY_EXPORT(AddWidened);
HWY_EXPORT(AddScaled);
HWY_EXPORT(Dot);
HWY_EXPORT(Entropy);

void add_exact(std::span<const double> x, double* high, double* low) {
  HWY_DYNAMIC_DISPATCH(AddExact)(x, high, low);
}
void add_widened(std::span<const float> x, double* sum) { HWY_DYNAMIC_DISPATCH(AddWidened)(x, sum); }
void add_scaled(std::span<const double> x, double scale, double* sum) {
  HWY_DYNAMIC_DISPATCH(AddScaled)(x, scale, sum);
}
double dot(std::span<const double> a, const double* b) { return HWY_DYNAMIC_DISPATCH(Dot)(a, b); }
double entropy(std::span<const double> p) { return HWY_DYNAMIC_DISPATCH(Entropy)(p); }

}  // namespace committee::audit::kernels
#endif
