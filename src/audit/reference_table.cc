#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <unordered_map>

#include "audit/python_numbers.h"
#include "audit/reference.h"
#include "audit/spreadsheet.h"
#include "base/error.h"

namespace committee::audit {
namespace {

constexpr double kLargestInteger = 9e15;

[[noreturn]] void refuse(const Spreadsheet& table, const Spreadsheet::Row& row, int column,
                         const char* rule) {
  throw Error("{}:{}: column \"{}\" {}: \"{}\"", table.name, row.line, table.header[column], rule,
              table.cell(row, column));
}

double number(const Spreadsheet& table, const Spreadsheet::Row& row, int column) {
  const std::string_view cell = table.cell(row, column);
  const auto value = table.from_csv ? python::parse_pandas_float(cell) : python::parse_float(cell);
  if (!value || std::isnan(*value)) refuse(table, row, column, "must hold a number");
  return *value;
}

// Whole numbers, or numbers cut to them as int() does.
int64_t integer(const Spreadsheet& table, const Spreadsheet::Row& row, int column) {
  const double value = number(table, row, column);
  if (!(std::abs(value) < kLargestInteger)) refuse(table, row, column, "must hold an integer");
  return static_cast<int64_t>(value);
}

// A Python-like list or tuple, comma-joined numbers, a single number, or nothing.
std::vector<double> numbers(const Spreadsheet& table, const Spreadsheet::Row& row, int column) {
  std::string_view text = table.cell(row, column);
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
      if (!value) refuse(table, row, column, "must hold a list of numbers");
      values.push_back(*value);
    }
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return values;
}

ReferenceTable read_listed(const Spreadsheet& table) {
  const int layer = table.column("idx"), domain = table.column("domain"), ids = table.column("topk_indices"),
            values = table.column("topk_values");
  ReferenceTable result;
  for (const auto& row : table.rows) {
    ReferenceTable::Row listed{
        integer(table, row, layer), std::string(table.cell(row, domain)), {}, numbers(table, row, values)};
    for (const double id : numbers(table, row, ids)) {
      if (!(std::abs(id) < kLargestInteger)) refuse(table, row, ids, "must hold expert ids");
      listed.ids.push_back(static_cast<int64_t>(id));
    }
    result.rows.push_back(std::move(listed));
  }
  return result;
}

// One expert of a layer and domain in the long layout, its rows aggregated.
struct Aggregated {
  int64_t expert = 0;
  double weight = 0, rank = std::numeric_limits<double>::infinity();
};

// `values` are reordered.
double aggregate(std::vector<double>& values, AggWeight how) {
  const auto count = static_cast<double>(values.size());
  if (how == AggWeight::kMean) return python::kahan_sum(values) / count;
  if (how == AggWeight::kSum) return python::kahan_sum(values);
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half] + values[half - 1]) / 2;
}

// A row of the long layout; `domain` is its place in the order of names.
struct Entry {
  int64_t layer = 0, expert = 0;
  int domain = 0;
  double weight = 0, rank = 0;

  bool same_group(const Entry& other) const { return layer == other.layer && domain == other.domain; }
};

// Numbers the names of a column by their order: the names, and every row's number.
struct Names {
  std::vector<std::string_view> names;
  std::vector<int> of_row;
};
Names names_of(const Spreadsheet& table, int column) {
  Names result;
  std::unordered_map<std::string_view, int> met;
  for (const auto& row : table.rows) {
    const std::string_view name = table.cell(row, column);
    // Most rows repeat the name above them.
    if (!result.of_row.empty() && result.names[result.of_row.back()] == name) {
      result.of_row.push_back(result.of_row.back());
      continue;
    }
    const auto [place, added] = met.emplace(name, static_cast<int>(result.names.size()));
    if (added) result.names.push_back(name);
    result.of_row.push_back(place->second);
  }
  std::vector<int> order(result.names.size()), place(order.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int a, int b) { return result.names[a] < result.names[b]; });
  for (size_t i = 0; i < order.size(); ++i) place[order[i]] = static_cast<int>(i);
  for (int& name : result.of_row) name = place[name];
  std::sort(result.names.begin(), result.names.end());
  return result;
}

// By layer, domain and expert, rows of one expert in their order.
void sort_entries(std::vector<Entry>& entries) {
  const auto before = [](const Entry& a, const Entry& b) {
    if (a.layer != b.layer) return a.layer < b.layer;
    return a.domain != b.domain ? a.domain < b.domain : a.expert < b.expert;
  };
  if (!std::is_sorted(entries.begin(), entries.end(), before)) {
    std::stable_sort(entries.begin(), entries.end(), before);
  }
}

// The experts of one layer and domain, best first.
std::vector<Aggregated> aggregate_group(std::span<const Entry> group, AggWeight how, bool ranked) {
  std::vector<Aggregated> experts;
  std::vector<double> weights, ranks;
  for (size_t begin = 0, end = 0; begin < group.size(); begin = end) {
    weights.clear();
    ranks.clear();
    for (; end < group.size() && group[end].expert == group[begin].expert; ++end) {
      weights.push_back(group[end].weight);
      ranks.push_back(group[end].rank);
    }
    experts.push_back({group[begin].expert, aggregate(weights, how)});
    if (ranked) experts.back().rank = aggregate(ranks, AggWeight::kMean);
  }
  std::stable_sort(experts.begin(), experts.end(), [](const Aggregated& a, const Aggregated& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.rank < b.rank;
  });
  return experts;
}

ReferenceTable read_long(const Spreadsheet& table, const ReferenceOptions& options) {
  const int layer = table.column("layer"), domain = table.column("domain"),
            expert = table.column("expert_idx"), weight = table.column("expert_weight"),
            rank = table.column("topk_rank");
  const Names domains = names_of(table, domain);
  std::vector<Entry> entries;
  entries.reserve(table.rows.size());
  int64_t last_rank = -1;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const auto& row = table.rows[i];
    entries.push_back({.layer = integer(table, row, layer),
                       .expert = integer(table, row, expert),
                       .domain = domains.of_row[i],
                       .weight = number(table, row, weight)});
    if (rank < 0) continue;
    const int64_t place = integer(table, row, rank);
    entries.back().rank = static_cast<double>(place);
    last_rank = std::max(last_rank, place);
  }
  sort_entries(entries);

  std::vector<std::vector<Aggregated>> groups;
  ReferenceTable result;
  size_t largest = 0;
  for (size_t begin = 0, end = 0; begin < entries.size(); begin = end) {
    while (end < entries.size() && entries[end].same_group(entries[begin])) ++end;
    groups.push_back(
        aggregate_group(std::span(entries).subspan(begin, end - begin), options.agg_weight, rank >= 0));
    largest = std::max(largest, groups.back().size());
    result.rows.push_back({entries[begin].layer, std::string(domains.names[entries[begin].domain]), {}, {}});
  }
  const int64_t k = options.k ? *options.k : rank >= 0 ? last_rank + 1 : static_cast<int64_t>(largest);
  // Lists are padded to k: a bound against tables that ask for gigabytes of padding.
  if (k < 1 || k > 65536) throw Error("{}: k is {}, must be 1 to 65536", table.name, k);
  for (size_t i = 0; i < groups.size(); ++i) {
    auto& [at, name, ids, values] = result.rows[i];
    groups[i].resize(std::min(groups[i].size(), static_cast<size_t>(k)));
    for (const Aggregated& best : groups[i]) {
      ids.push_back(best.expert);
      values.push_back(best.weight);
    }
    ids.resize(static_cast<size_t>(k), -1);
    values.resize(static_cast<size_t>(k), 0.0);
  }
  return result;
}

}  // namespace

ReferenceTable read_reference_table(const std::filesystem::path& path, const ReferenceOptions& options) {
  const Spreadsheet table = read_spreadsheet(path);
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
        table.name);
  }
  if (result.rows.empty()) throw Error("{}: has a header but no rows", table.name);
  return result;
}

}  // namespace committee::audit
