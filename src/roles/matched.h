#pragma once

#include "roles/result.h"

namespace committee::roles {

// Compares the members of the set, layer by layer, with as many non-members of the closest frequency: their
// tokens' information, marked tokens and the log odds of every token class. Fills matched and the two mean
// frequencies of a result that has its experts and cells.
void match_members(RolesResult& result, int layers, int experts);

}  // namespace committee::roles
