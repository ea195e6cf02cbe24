#pragma once

#include <span>

#include "audit/result.h"

namespace committee::audit {

// The q-quantile of values in any order (which it reorders): the (n+1)q-th smallest, interpolated between
// neighbours, so that a new value lies below it with probability q; values.size() ≥ 1, none NaN.
double quantile(std::span<float> values, double q);

// Percentile interval of a bootstrap. NaN replicates (the figure was undefined) are left out; nothing where
// more than half are.
std::optional<Interval> interval_of(std::span<const float> replicates);

// A figure's place among its permuted values. A replicate within 1e-6 (relative) of the observed value counts
// as equal: replicates are summed in float32; so does one within `rounding`. Nothing where the value or more
// than half of the replicates are undefined.
std::optional<Permuted> permuted_of(std::optional<double> value, std::span<const float> replicates, Tail tail,
                                    double rounding = 0);

}  // namespace committee::audit
