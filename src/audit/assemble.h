#pragma once

#include <vector>

#include "audit/grouping.h"
#include "audit/layer_figures.h"
#include "audit/observe.h"
#include "audit/result.h"

namespace committee::audit {

// NaN → nothing.
std::optional<double> defined(double value);

// The observed values and floors of one layer. `specific` as layer_figures takes it.
LayerResult assemble_layer(int layer_id, const LayerObservation& observed, const Rules& rules,
                           std::vector<int> specific, const Grouping& grouping);

// The figure of a LayerResult that a scalar is the value of.
Figure& figure_of(LayerResult& layer, Scalar scalar);
const Figure& figure_of(const LayerResult& layer, Scalar scalar);

// The tail of its permutation test; nothing where the figure does not depend on the domains.
std::optional<Tail> tail_of(Scalar scalar);

// Greatest, least and mean over layers.
struct Spread {
  double max, min, mean;  // NaN where no layer has a value
};
Spread spread_of(std::span<const double> values);
Summary summary_of(const std::vector<LayerResult>& layers, Scalar scalar);

}  // namespace committee::audit
