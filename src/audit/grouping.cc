#include "audit/grouping.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "base/error.h"

namespace committee::audit {
namespace {

std::optional<std::string> column_of(const trace::SampleInfo& sample, const std::string& column) {
  for (const auto& [name, value] : sample.columns) {
    if (name == column) return value;
  }
  if (column == "domain") return sample.domain;
  if (column == "subject" && !sample.subject.empty()) return sample.subject;
  if (column == "outcome" && !sample.outcome.empty()) return sample.outcome;
  if (column == "answer" && sample.answer) return fmt::format("{}", *sample.answer);
  return std::nullopt;
}

std::string domain_of(const trace::SampleInfo& sample, const AuditOptions& options,
                      const std::string& trace) {
  if (!options.group_by.empty()) {
    if (auto value = column_of(sample, options.group_by)) return *value;
    throw Error("{}: sample \"{}\" has no column \"{}\" to group by", trace, sample.id, options.group_by);
  }
  if (options.domain_of.empty()) return sample.domain;
  const std::string& key = sample.subject.empty() ? sample.domain : sample.subject;
  const auto found = options.domain_of.find(key);
  if (found == options.domain_of.end()) {
    throw Error("{}: sample \"{}\" has the subject \"{}\", which the domain map does not name", trace,
                sample.id, key);
  }
  return found->second;
}

void add_groups(Grouping& grouping, const SampleReader& reader, const AuditOptions& options) {
  const std::string& column = options.nested;
  const std::string trace = reader.trace().folder().string();
  std::vector<std::pair<int32_t, std::string>> keys;
  std::map<std::pair<int32_t, std::string>, int32_t> ids;
  for (int64_t i = 0; i < reader.size(); ++i) {
    const auto value = column_of(reader.trace().samples()[reader.id(i)], column);
    if (!value && options.nested_asked) {
      throw Error("{}: sample \"{}\" has no column \"{}\" to nest in domains", trace,
                  reader.trace().samples()[reader.id(i)].id, column);
    }
    if (!value) return;
    keys.emplace_back(grouping.domain_of[i], *value);
    ids.emplace(keys.back(), 0);
  }
  if (ids.size() <= grouping.domains.size() || static_cast<int64_t>(ids.size()) * 2 > reader.size()) {
    if (!options.nested_asked) return;
    throw Error("{}: --nested {}: {} groups in {} domains and {} samples tell no two levels apart", trace,
                column, ids.size(), grouping.domains.size(), reader.size());
  }
  for (auto& [key, id] : ids) {
    id = static_cast<int32_t>(grouping.groups.size());
    grouping.groups.push_back({key.second, key.first, 0});
  }
  for (const auto& key : keys) {
    grouping.group_of.push_back(ids[key]);
    ++grouping.groups[grouping.group_of.back()].samples;
  }
}

}  // namespace

std::vector<int64_t> Grouping::domain_counts() const {
  std::vector<int64_t> counts;
  for (const Domain& domain : domains) counts.push_back(domain.samples);
  return counts;
}

std::vector<int64_t> Grouping::group_counts() const {
  std::vector<int64_t> counts;
  for (const Group& group : groups) counts.push_back(group.samples);
  return counts;
}

SortedGrouping sort_samples(const Grouping& grouping) {
  SortedGrouping sorted{grouping, std::vector<int32_t>(grouping.domain_of.size())};
  std::iota(sorted.order.begin(), sorted.order.end(), 0);
  // Groups are numbered by domain.
  const auto& segment = grouping.groups.empty() ? grouping.domain_of : grouping.group_of;
  std::stable_sort(sorted.order.begin(), sorted.order.end(),
                   [&](int32_t a, int32_t b) { return segment[a] < segment[b]; });
  for (size_t i = 0; i < sorted.order.size(); ++i) {
    sorted.grouping.domain_of[i] = grouping.domain_of[sorted.order[i]];
    if (!grouping.groups.empty()) sorted.grouping.group_of[i] = grouping.group_of[sorted.order[i]];
  }
  return sorted;
}

Grouping group_samples(const SampleReader& reader, const AuditOptions& options) {
  const std::string trace = reader.trace().folder().string();
  const auto& samples = reader.trace().samples();
  std::vector<std::string> names;
  for (const auto& sample : samples) names.push_back(domain_of(sample, options, trace));
  std::map<std::string, int32_t> ids;
  for (const auto& name : names) ids.emplace(name, 0);
  Grouping grouping;
  for (auto& [name, id] : ids) {
    id = static_cast<int32_t>(grouping.domains.size());
    grouping.domains.push_back({name, 0, 0});
  }
  for (int64_t i = 0; i < reader.size(); ++i) {
    const int32_t id = ids[names[reader.id(i)]];
    grouping.domain_of.push_back(id);
    ++grouping.domains[id].samples;
    grouping.domains[id].rows += reader.rows(i);
  }
  for (const Domain& domain : grouping.domains) {
    if (domain.samples == 0) {
      throw Error("{}: domain \"{}\" has no sample with {} positions", trace, domain.name,
                  reader.positions());
    }
  }
  if (grouping.domains.empty()) throw Error("{}: the trace has no samples", trace);
  if (!options.nested.empty()) add_groups(grouping, reader, options);
  return grouping;
}

}  // namespace committee::audit
