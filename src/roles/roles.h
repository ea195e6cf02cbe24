#pragma once

#include "roles/result.h"
#include "trace/reader.h"

namespace committee::roles {

// What each expert serves. The trace is read once for vectors, then 1 + shuffles times for the executed ids
// alone (more often where the tables of all layers do not fit the memory); memory is bounded by the distinct
// tokens and by a layer's samples times experts. The same bytes whatever the threads. Throws Error for a
// trace of one token a sample, without executed experts, or with sets that do not fit it.
RolesResult roles(const trace::Trace& trace, const RolesOptions& options);

}  // namespace committee::roles
