#include "report/export_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <span>

#include "audit/placement.h"
#include "report/csv_table.h"
#include "report/json_writer.h"

namespace committee::report {

namespace {

static_assert(std::endian::native == std::endian::little, "npy and safetensors are written little-endian");

std::span<const double> row_of(const ExpertCounts& counts, size_t layer) {
  const auto experts = static_cast<size_t>(counts.experts);
  return std::span(counts.counts).subspan(layer * experts, experts);
}

std::vector<int64_t> whole(std::span<const double> row) {
  std::vector<int64_t> numbers;
  for (const double count : row) numbers.push_back(std::llround(count));
  return numbers;
}

template <typename T>
void append(std::string& bytes, std::span<const T> values) {
  const auto raw = std::as_bytes(values);
  bytes.append(reinterpret_cast<const char*>(raw.data()), raw.size());
}

// The index of a model layer among the MoE layers; nothing for a dense one.
std::optional<size_t> moe_index(const ExpertCounts& counts, int layer) {
  const auto at = std::lower_bound(counts.layers.begin(), counts.layers.end(), layer);
  if (at == counts.layers.end() || *at != layer) return std::nullopt;
  return static_cast<size_t>(at - counts.layers.begin());
}

// {"NAME": [[…], …]}, a row a line.
template <typename RowOf>
std::string rows_json(const char* name, int rows, RowOf row_of_index) {
  JsonWriter out(2);
  out.begin_object();
  out.key(name);
  out.begin_array();
  for (int i = 0; i < rows; ++i) out.value(row_of_index(i));
  out.end_array();
  out.end_object();
  return out.text() + "\n";
}

}  // namespace

std::string eplb_json(const ExpertCounts& counts) {
  JsonWriter out(2);
  out.begin_object();
  out.key("weight");
  out.begin_array();
  for (size_t l = 0; l < counts.layers.size(); ++l) {
    const auto row = row_of(counts, l);
    out.value(std::vector<double>(row.begin(), row.end()));
  }
  out.end_array();
  out.member("layers", counts.layers);
  out.end_object();
  return out.text() + "\n";
}

std::string eplb_npy(const ExpertCounts& counts) {
  std::string header = fmt::format("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}, {}), }}",
                                   counts.layers.size(), counts.experts);
  constexpr size_t kPrefix = 10, kAlignment = 64;  // magic, version, length; the data begin at a multiple
  header.resize((kPrefix + header.size() + 1 + kAlignment - 1) / kAlignment * kAlignment - kPrefix - 1, ' ');
  header += '\n';
  std::string bytes = std::string("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size() & 0xff);
  bytes += static_cast<char>(header.size() >> 8);
  bytes += header;
  append(bytes, std::span<const double>(counts.counts));
  return bytes;
}

std::string sglang_counts_json(const ExpertCounts& counts, int model_layers) {
  return rows_json("logical_count", model_layers, [&](int layer) {
    const auto index = moe_index(counts, layer);
    return index ? whole(row_of(counts, *index)) : std::vector<int64_t>(static_cast<size_t>(counts.experts));
  });
}

std::string sglang_map_json(const ExpertCounts& counts, int model_layers, int slots, int devices) {
  return rows_json("physical_to_logical_map", model_layers, [&](int layer) {
    const auto index = moe_index(counts, layer);
    if (index) return audit::place_experts(row_of(counts, *index), slots, devices);
    std::vector<int> in_turn;
    for (int i = 0; i < slots; ++i) in_turn.push_back(i % counts.experts);
    return in_turn;
  });
}

std::string tensorrt_meta_json(const ExpertCounts& counts) {
  return fmt::format("{{\"num_experts\": {}, \"num_experts_per_token\": {}}}\n", counts.experts, counts.k);
}

std::string tensorrt_safetensors(const ExpertCounts& counts) {
  std::string header = "{", data;
  for (size_t l = 0; l < counts.layers.size(); ++l) {
    const auto numbers = whole(row_of(counts, l));
    const size_t begin = data.size();
    append(data, std::span<const int64_t>(numbers));
    header += fmt::format("{}\"0_{}\":{{\"dtype\":\"I64\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                          l > 0 ? "," : "", counts.layers[l], counts.experts, begin, data.size());
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const uint64_t size = header.size();
  std::string bytes;
  append(bytes, std::span<const uint64_t>(&size, 1));
  return bytes + header + data;
}

std::string authors_csv(const audit::AuditResult& result) {
  struct Row {
    int layer;
    const std::string* domain;
    size_t expert;
    std::optional<double> weight;
    int rank;
  };
  const auto experts = static_cast<size_t>(result.model.experts);
  std::vector<Row> rows;
  for (const auto& layer : result.layers) {
    for (size_t d = 0; d < result.domains.size(); ++d) {
      const size_t first = rows.size();
      for (size_t e = 0; e < experts; ++e) {
        const int rank = layer.ranks[d * experts + e];
        if (rank > result.k) continue;
        rows.push_back(
            {layer.layer, &result.domains[d].name, e, layer.contributions[d * experts + e].value, rank});
      }
      std::sort(rows.begin() + static_cast<std::ptrdiff_t>(first), rows.end(),
                [](const Row& a, const Row& b) { return a.rank < b.rank; });
    }
  }
  CsvTable<Row> table(std::move(rows));
  table.number("layer", [](const Row& row) { return std::optional<double>(row.layer); });
  table.text("domain", [](const Row& row) { return *row.domain; });
  table.number("expert_idx",
               [](const Row& row) { return std::optional<double>(static_cast<double>(row.expert)); });
  table.number("expert_weight", [](const Row& row) { return row.weight; });
  table.number("topk_rank", [](const Row& row) { return std::optional<double>(row.rank); });
  return table.csv();
}

}  // namespace committee::report
