#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "audit/options.h"
#include "trace/reader.h"

// Where experts go in a serving system, by how often they are executed.
namespace committee::audit {

// Executed slots of every expert over the audited rows: [L, E]. Where the source has shares only, top_k times
// the share a sample.
std::vector<double> slot_counts(const trace::Trace& trace, const AuditOptions& options);

// The expert of each of a layer's `slots` physical places, `slots / devices` consecutive ones a device, for
// loads [E]: each expert once, each further slot a copy of the expert whose copies carry the most; then the
// copies, heaviest first, each to the least loaded device that has room. slots ≥ E, a multiple of devices.
std::vector<int> place_experts(std::span<const double> loads, int slots, int devices);

}  // namespace committee::audit
