#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "audit/options.h"
#include "audit/result.h"
#include "audit/sample_reader.h"

namespace committee::audit {

// Which domain, and which finer group inside it, each sample of a reader belongs to. Domains by name; groups
// by domain, then name. `groups` is empty where the finer level says nothing new (as many groups as domains,
// or fewer than two samples a group).
struct Grouping {
  struct Group {
    std::string name;
    int domain = 0;
    int64_t samples = 0;
  };
  std::vector<Domain> domains;
  std::vector<int32_t> domain_of;  // [N]
  std::vector<Group> groups;
  std::vector<int32_t> group_of;  // [N], empty with `groups`

  std::vector<int64_t> domain_counts() const;
  std::vector<int64_t> group_counts() const;
};

// The samples in the order of their groups (domains where there are none), so that every segment of a
// resampling plan is a run of neighbours. order[i]: the sample at place i.
struct SortedGrouping {
  Grouping grouping;
  std::vector<int32_t> order;
};
SortedGrouping sort_samples(const Grouping& grouping);

// A column is one of samples.jsonl's group columns, or domain, subject, outcome or answer.
// Throws Error for a column that a sample lacks, a subject that the domain map lacks, and a domain none of
// whose samples has an audited row.
Grouping group_samples(const SampleReader& reader, const AuditOptions& options);

}  // namespace committee::audit
