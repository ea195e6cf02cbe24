#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>

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
              row.cells[column]);
}

double number(const Spreadsheet& table, const Spreadsheet::Row& row, int column) {
  const auto& cell = row.cells[column];
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
  std::string_view text = row.cells[column];
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
        integer(table, row, layer), row.cells[domain], {}, numbers(table, row, values)};
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

double aggregate(std::vector<double> values, AggWeight how) {
  const auto count = static_cast<double>(values.size());
  if (how == AggWeight::kMean) return python::kahan_sum(values) / count;
  if (how == AggWeight::kSum) return python::kahan_sum(values);
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half] + values[half - 1]) / 2;
}

using Group = std::pair<int64_t, std::string>;  // layer, domain
struct Listing {
  std::vector<double> weights, ranks;
};
using Listings = std::map<Group, std::map<int64_t, Listing>>;

int largest_group(const Listings& listings) {
  size_t most = 0;
  for (const auto& [group, experts] : listings) most = std::max(most, experts.size());
  return static_cast<int>(most);
}

ReferenceTable best_of(const Listings& listings, int k, AggWeight how) {
  ReferenceTable result;
  for (const auto& [group, experts] : listings) {
    std::vector<Aggregated> sorted;
    for (const auto& [expert, listing] : experts) {
      sorted.push_back({expert, aggregate(listing.weights, how)});
      if (!listing.ranks.empty()) sorted.back().rank = aggregate(listing.ranks, AggWeight::kMean);
    }
    std::stable_sort(sorted.begin(), sorted.end(), [](const Aggregated& a, const Aggregated& b) {
      return a.weight != b.weight ? a.weight > b.weight : a.rank < b.rank;
    });
    ReferenceTable::Row row{group.first, group.second, {}, {}};
    const auto listed = std::min(sorted.size(), static_cast<size_t>(k));
    for (size_t i = 0; i < listed; ++i) {
      row.ids.push_back(sorted[i].expert);
      row.values.push_back(sorted[i].weight);
    }
    row.ids.resize(k, -1);
    row.values.resize(k, 0.0);
    result.rows.push_back(std::move(row));
  }
  return result;
}

ReferenceTable read_long(const Spreadsheet& table, const ReferenceOptions& options) {
  const int layer = table.column("layer"), domain = table.column("domain"),
            expert = table.column("expert_idx"), weight = table.column("expert_weight"),
            rank = table.column("topk_rank");
  Listings listings;
  int64_t last_rank = -1;
  for (const auto& row : table.rows) {
    Listing& listing = listings[{integer(table, row, layer), row.cells[domain]}][integer(table, row, expert)];
    listing.weights.push_back(number(table, row, weight));
    if (rank < 0) continue;
    listing.ranks.push_back(static_cast<double>(integer(table, row, rank)));
    last_rank = std::max(last_rank, integer(table, row, rank));
  }
  const int64_t k = options.k ? *options.k : rank >= 0 ? last_rank + 1 : largest_group(listings);
  // Lists are padded to k: a bound against tables that ask for gigabytes of padding.
  if (k < 1 || k > 65536) throw Error("{}: k is {}, must be 1 to 65536", table.name, k);
  return best_of(listings, static_cast<int>(k), options.agg_weight);
}

}  // namespace

ReferenceTable read_reference_table(const std::filesystem::path& path, const ReferenceOptions& options) {
  Spreadsheet table = read_spreadsheet(path);
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
