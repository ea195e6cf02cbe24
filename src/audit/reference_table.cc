#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <unordered_map>

#include "audit/python_numbers.h"
#include "audit/reference.h"
#include "audit/spreadsheet.h"
#include "base/error.h"

namespace committee::audit {
namespace {

constexpr double kLargestInteger = 9e15;

[[noreturn]] void refuse(const Spreadsheet& table, int column, const char* rule) {
  throw Error("{}:{}: column \"{}\" {}: \"{}\"", table.name(), table.line(), table.header()[column], rule,
              table.cell(column));
}

double number(const Spreadsheet& table, int column) {
  const std::string_view cell = table.cell(column);
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const double value =
      table.from_csv() ? python::parse_pandas_float(cell) : python::parse_float(cell).value_or(kNone);
  if (std::isnan(value)) refuse(table, column, "must hold a number");
  return value;
}

// Whole numbers, or numbers cut to them as int() does.
int64_t integer(const Spreadsheet& table, int column) {
  const double value = number(table, column);
  if (!(std::abs(value) < kLargestInteger)) refuse(table, column, "must hold an integer");
  return static_cast<int64_t>(value);
}

// A Python-like list or tuple, comma-joined numbers, a single number, or nothing.
std::vector<double> numbers(const Spreadsheet& table, int column) {
  std::string_view text = table.cell(column);
  auto strip = [&](const char* unwanted) {
    const auto begin = text.find_first_not_of(unwanted);
    text = begin == std::string_view::npos ? std::string_view()
                                           : text.substr(begin, text.find_last_not_of(unwanted) - begin + 1);
  };
  strip(" \t\r\n");
  if (text.size() >= 2 &&
      ((text.front() == '[' && text.back() == ']') || (text.front() == '(' && text.back() == ')'))) {
    text = text.substr(1, text.size() - 2);
  }
  std::vector<double> values;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = text.substr(0, comma);
    if (item.find_first_not_of(" \t\r\n") != std::string_view::npos) {
      const auto value = python::parse_float(item);
      if (!value) refuse(table, column, "must hold a list of numbers");
      values.push_back(*value);
    }
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return values;
}

ReferenceTable read_listed(Spreadsheet& table) {
  const int layer = table.column("idx"), domain = table.column("domain"), ids = table.column("topk_indices"),
            values = table.column("topk_values");
  ReferenceTable result;
  while (table.next()) {
    ReferenceTable::Row listed{
        integer(table, layer), std::string(table.cell(domain)), {}, numbers(table, values)};
    for (const double id : numbers(table, ids)) {
      if (!(std::abs(id) < kLargestInteger)) refuse(table, ids, "must hold expert ids");
      listed.ids.push_back(static_cast<int64_t>(id));
    }
    result.rows.push_back(std::move(listed));
  }
  return result;
}

// A row of the long layout, or what an expert's rows make together.
struct Entry {
  int64_t expert = 0;
  double weight = 0, rank = 0;  // rank 0 where the table has none
};

// Rows of one layer and domain that follow each other.
struct Run {
  int64_t layer = 0;
  int domain = 0;
  size_t begin = 0, size = 0;  // in `entries`

  bool same_group(const Run& other) const { return layer == other.layer && domain == other.domain; }
};

// Numbers names in the order in which they are met. Most rows repeat the name above them.
class Numbering {
 public:
  int of(std::string_view name) {
    if (last_ >= 0 && names_[static_cast<size_t>(last_)] == name) return last_;
    const auto [place, added] = places_.emplace(name, static_cast<int>(names_.size()));
    if (added) names_.emplace_back(name);
    return last_ = place->second;
  }
  const std::string& name(int number) const { return names_[static_cast<size_t>(number)]; }

 private:
  std::unordered_map<std::string, int> places_;
  std::vector<std::string> names_;
  int last_ = -1;
};

struct LongTable {
  std::vector<Entry> entries;
  std::vector<Run> runs;
  Numbering domains;
  int64_t last_rank = -1;
  bool ranked = false;
};

// `run_ends` may take the rows of the run that ended out of the table.
template <typename RunEnds>
LongTable read_rows(Spreadsheet& table, const RunEnds& run_ends) {
  const int layer = table.column("layer"), domain = table.column("domain"),
            expert = table.column("expert_idx"), weight = table.column("expert_weight"),
            rank = table.column("topk_rank");
  LongTable result;
  result.ranked = rank >= 0;
  while (table.next()) {
    if (result.runs.empty() || !table.repeats(layer) || !table.repeats(domain)) {
      Run run{integer(table, layer), result.domains.of(table.cell(domain))};
      if (result.runs.empty() || !result.runs.back().same_group(run)) {
        if (!result.runs.empty()) run_ends(result);
        run.begin = result.entries.size();
        result.runs.push_back(run);
      }
    }
    Entry entry{.expert = integer(table, expert), .weight = number(table, weight)};
    if (result.ranked) {
      const int64_t place = integer(table, rank);
      entry.rank = static_cast<double>(place);
      result.last_rank = std::max(result.last_rank, place);
    }
    ++result.runs.back().size;
    result.entries.push_back(entry);
  }
  if (!result.runs.empty()) run_ends(result);
  return result;
}

// By layer and the domain's name; runs of one group stay in their order.
void sort_runs(LongTable& table) {
  std::stable_sort(table.runs.begin(), table.runs.end(), [&](const Run& a, const Run& b) {
    if (a.layer != b.layer) return a.layer < b.layer;
    return a.domain != b.domain && table.domains.name(a.domain) < table.domains.name(b.domain);
  });
}

// `values` are reordered.
double aggregate(std::vector<double>& values, AggWeight how) {
  const auto count = static_cast<double>(values.size());
  if (how == AggWeight::kMean) return python::kahan_sum(values) / count;
  if (how == AggWeight::kSum) return python::kahan_sum(values);
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half] + values[half - 1]) / 2;
}

// Orders a group by expert and makes one of the rows that repeat an expert.
void merge_repeated(std::vector<Entry>& group, AggWeight how) {
  const auto rising = [](const Entry& a, const Entry& b) { return a.expert < b.expert; };
  const auto not_rising = [](const Entry& a, const Entry& b) { return a.expert >= b.expert; };
  if (std::adjacent_find(group.begin(), group.end(), not_rising) == group.end()) return;
  std::stable_sort(group.begin(), group.end(), rising);
  size_t kept = 0;
  std::vector<double> weights, ranks;
  for (size_t begin = 0, end = 0; begin < group.size(); begin = end) {
    weights.clear();
    ranks.clear();
    for (; end < group.size() && group[end].expert == group[begin].expert; ++end) {
      weights.push_back(group[end].weight);
      ranks.push_back(group[end].rank);
    }
    group[kept++] = {group[begin].expert, aggregate(weights, how), aggregate(ranks, AggWeight::kMean)};
  }
  group.resize(kept);
}

// Puts the `count` best first, best of all first, and drops the others. Infinite weights can have a mean that
// is no number: it goes last.
void keep_best(std::vector<Entry>& experts, size_t count) {
  count = std::min(count, experts.size());
  const auto better = [](const Entry& a, const Entry& b) {
    if (a.weight > b.weight) return true;
    if (a.weight < b.weight) return false;
    if (std::isnan(a.weight) != std::isnan(b.weight)) return std::isnan(b.weight);
    return a.rank != b.rank ? a.rank < b.rank : a.expert < b.expert;
  };
  if (count == experts.size()) {
    std::sort(experts.begin(), experts.end(), better);
  } else {
    std::partial_sort(experts.begin(), experts.begin() + static_cast<std::ptrdiff_t>(count), experts.end(),
                      better);
  }
  experts.resize(count);
}

// To lists of k.
void pad(ReferenceTable& table, std::optional<int64_t> k, const std::string& name) {
  if (!k) {
    k = 0;
    for (const auto& row : table.rows) k = std::max(*k, static_cast<int64_t>(row.ids.size()));
  }
  // A bound against tables that ask for gigabytes of padding.
  if (*k < 1 || *k > 65536) throw Error("{}: k is {}, must be 1 to 65536", name, *k);
  for (auto& row : table.rows) {
    row.ids.resize(static_cast<size_t>(*k), -1);
    row.values.resize(static_cast<size_t>(*k), 0.0);
  }
}

void add_group(ReferenceTable& result, int64_t layer, const std::string& domain, std::vector<Entry>& group,
               const ReferenceOptions& options) {
  merge_repeated(group, options.agg_weight);
  keep_best(group, options.k ? static_cast<size_t>(std::max(*options.k, 0)) : group.size());
  ReferenceTable::Row& row = result.rows.emplace_back(ReferenceTable::Row{layer, domain, {}, {}});
  row.ids.reserve(group.size());
  row.values.reserve(group.size());
  for (const Entry& best : group) {
    row.ids.push_back(best.expert);
    row.values.push_back(best.weight);
  }
}

// Mostly the rows of a group follow each other, and each group is done with before the next is read. Nothing
// where a group's rows are in several places.
std::optional<ReferenceTable> groups_of_runs(Spreadsheet& table, const ReferenceOptions& options,
                                             LongTable& rows) {
  ReferenceTable result;
  rows = read_rows(table, [&](LongTable& read) {
    const Run& run = read.runs.back();
    add_group(result, run.layer, read.domains.name(run.domain), read.entries, options);
    read.runs.clear();
    read.entries.clear();
  });
  const auto before = [](const ReferenceTable::Row& a, const ReferenceTable::Row& b) {
    return a.layer != b.layer ? a.layer < b.layer : a.domain < b.domain;
  };
  if (!std::is_sorted(result.rows.begin(), result.rows.end(), before)) {
    std::sort(result.rows.begin(), result.rows.end(), before);
  }
  const auto twins = std::adjacent_find(result.rows.begin(), result.rows.end(),
                                        [&](const auto& a, const auto& b) { return !before(a, b); });
  return twins == result.rows.end() ? std::optional(std::move(result)) : std::nullopt;
}

// Wherever their rows are.
ReferenceTable groups_of_all(Spreadsheet table, const ReferenceOptions& options) {
  LongTable rows = read_rows(table, [](const LongTable&) {});
  sort_runs(rows);
  ReferenceTable result;
  std::vector<Entry> group;
  for (size_t begin = 0, end = 0; begin < rows.runs.size(); begin = end) {
    const Run& first = rows.runs[begin];
    group.clear();
    for (; end < rows.runs.size() && rows.runs[end].same_group(first); ++end) {
      const auto begin_of_run = rows.entries.begin() + static_cast<std::ptrdiff_t>(rows.runs[end].begin);
      group.insert(group.end(), begin_of_run,
                   begin_of_run + static_cast<std::ptrdiff_t>(rows.runs[end].size));
    }
    add_group(result, first.layer, rows.domains.name(first.domain), group, options);
  }
  return result;
}

ReferenceTable read_long(Spreadsheet& table, const ReferenceOptions& options) {
  LongTable rows;
  auto result = groups_of_runs(table, options, rows);
  if (!result) result = groups_of_all(Spreadsheet(table.name()), options);
  // Where nothing tells k it is the longest list's length, so that every list is whole.
  std::optional<int64_t> k = rows.ranked ? std::optional(rows.last_rank + 1) : std::nullopt;
  if (options.k) k = *options.k;
  pad(*result, k, table.name());
  return *std::move(result);
}

}  // namespace

ReferenceTable read_reference_table(const std::filesystem::path& path, const ReferenceOptions& options) {
  Spreadsheet table(path);
  auto has = [&](std::initializer_list<const char*> titles) {
    return std::all_of(titles.begin(), titles.end(),
                       [&](const char* title) { return table.column(title) >= 0; });
  };
  ReferenceTable result;
  if (has({"idx", "domain", "topk_indices", "topk_values"})) {
    result = read_listed(table);
  } else if (has({"layer", "domain", "expert_idx", "expert_weight"})) {
    result = read_long(table, options);
  } else {
    throw Error(
        "{}: the columns fit neither layout: idx, domain, topk_indices, topk_values, or layer, domain, "
        "expert_idx, expert_weight",
        table.name());
  }
  if (result.rows.empty()) throw Error("{}: has a header but no rows", table.name());
  return result;
}

}  // namespace committee::audit
