#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "audit/pinning.h"

namespace committee::audit {

// Slots that training samples executed, cell by cell: a cell is a layer and an expert, [L, E].
struct SlotShares {
  int layers = 0, experts = 0, k = 0;
  double gamma = 0.8;
  std::vector<std::vector<double>> domains;  // [T][cells], the counts of each domain
};

// The kept cells as ascending indices, `count` of them. Domains without a slot are left out; ties go to the
// lower cell. kPerDomain needs one domain, and is then kGlobal.
std::vector<int32_t> choose_cells(const SlotShares& shares, PinPlan plan, int64_t count);

}  // namespace committee::audit
