#include <algorithm>
#include <charconv>

#include "base/csv.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "trace/array_file.h"
#include "trace/import_counts.h"
#include "trace/import_ids.h"
#include "trace/import_kinds.h"
#include "trace/import_sink.h"
#include "trace/responses.h"

namespace committee::trace {
namespace {

constexpr std::string_view kEndings[] = {".npy", ".npz", ".safetensors", ".json", ".jsonl", ".csv"};
constexpr int kMostLayers = 100'000;

// Sums [steps, L, E] or [L, E] over the steps. Steps without a count are the unused places of the recorder's
// circular buffer; where there is none, steps before the first may have been overwritten.
void add_steps(const NpyArray& array, DomainCounts& domain, std::vector<std::string>& warnings) {
  const size_t dimensions = array.shape.size();
  if ((dimensions != 2 && dimensions != 3) || array.size == 0) {
    throw Error("{}: shape {}, must be [steps, layers, experts] or [layers, experts]", array.name,
                model::format_shape(array.shape));
  }
  const int64_t steps = dimensions == 3 ? array.shape[0] : 1;
  const int64_t layers = array.shape[dimensions - 2], experts = array.shape[dimensions - 1];
  if (layers > kMostLayers) throw Error("{}: {} layers are too many", array.name, layers);
  const int64_t layer_stride = array.strides[dimensions - 2], expert_stride = array.strides[dimensions - 1];
  int64_t used = 0;
  for (int64_t step = 0; step < steps; ++step) {
    bool any = false;
    for (int64_t layer = 0; layer < layers; ++layer) {
      auto& counts = domain.layers[static_cast<int>(layer)];
      counts.resize(static_cast<size_t>(experts));
      for (int64_t expert = 0; expert < experts; ++expert) {
        const double count = array.value((dimensions == 3 ? step * array.strides[0] : 0) +
                                         layer * layer_stride + expert * expert_stride);
        counts[static_cast<size_t>(expert)] += count;
        any = any || count != 0;
      }
    }
    used += any;
  }
  if (dimensions == 3 && used == steps && steps > 1) {
    warnings.push_back(
        fmt::format("{}: all {} steps of the buffer are in use: if the recorder's buffer is circular, "
                    "earlier steps were overwritten",
                    array.name, steps));
  }
}

// Counts of physical experts, the copies of a logical one added up: map [L, P] gives each one's logical id.
void to_logical(const NpyArray& map, DomainCounts& domain, std::optional<int> experts) {
  if (map.shape.size() != 2 || map.size == 0) {
    throw Error("{}: shape {}, must be [layers, physical experts]", map.name, model::format_shape(map.shape));
  }
  double largest = -1;
  for (int64_t i = 0; i < map.size; ++i) largest = std::max(largest, map.value(i));
  if (largest > 65534) throw Error("{}: holds the id {}", map.name, largest);
  const auto pool = static_cast<size_t>(std::max(experts.value_or(static_cast<int>(largest) + 1), 0));
  if (pool > kMostCells / std::max<size_t>(domain.layers.size(), 1))
    throw Error("{}: too many experts", map.name);
  for (auto& [layer, physical] : domain.layers) {
    if (layer >= map.shape[0] || static_cast<int64_t>(physical.size()) != map.shape[1]) {
      throw Error("{}: shape {} does not fit {} physical experts in layer {}", map.name,
                  model::format_shape(map.shape), physical.size(), layer);
    }
    std::vector<double> logical(pool);
    for (size_t i = 0; i < physical.size(); ++i) {
      const double id = map.value(layer * map.strides[0] + static_cast<int64_t>(i) * map.strides[1]);
      if (!(id >= 0) || id >= static_cast<double>(pool)) throw Error("{}: holds the id {}", map.name, id);
      logical[static_cast<size_t>(id)] += physical[i];
    }
    physical = std::move(logical);
  }
}

DomainCounts counts_of_arrays(const InputFile& input, const ImportOptions& options,
                              std::vector<std::string>& warnings) {
  const auto file = ArrayFile::open(input.path);
  DomainCounts domain{.domain = input.domain, .file = file.name(), .layers = {}};
  const NpyArray* counts = file.find("logical_count");
  if (!counts) counts = file.find("");
  if (counts) {
    add_steps(*counts, domain, warnings);
    return domain;
  }
  for (const char* key : {"physical_count", "global_physical_count"}) {
    if (!counts) counts = file.find(key);
  }
  if (!counts) throw Error("{}: has no \"logical_count\"", file.name());
  const NpyArray* map = file.find("physical_to_logical_map");
  if (!map) map = file.find("last_physical_to_logical_map");
  if (!map) {
    throw Error("{}: counts physical experts, which \"physical_to_logical_map\" must translate", file.name());
  }
  add_steps(*counts, domain, warnings);
  to_logical(*map, domain, options.experts);
  return domain;
}

// {"logical_count": [[…]]}, with or without steps.
DomainCounts counts_of_json(const InputFile& input, const Json& json) {
  DomainCounts domain{.domain = input.domain, .file = input.path.string(), .layers = {}};
  const auto refuse = [&] {
    throw Error("{}: \"logical_count\" must be [layers][experts] or [steps][layers][experts] of numbers",
                domain.file);
  };
  const auto add_layers = [&](const Json& layers) {
    if (!layers.is_array()) refuse();
    for (size_t layer = 0; layer < layers.size(); ++layer) {
      auto& counts = domain.layers[static_cast<int>(layer)];
      if (!layers[layer].is_array() || (!counts.empty() && counts.size() != layers[layer].size())) refuse();
      counts.resize(layers[layer].size());
      for (size_t expert = 0; expert < counts.size(); ++expert) {
        if (!layers[layer][expert].is_number()) refuse();
        counts[expert] += layers[layer][expert].get<double>();
      }
    }
  };
  const Json& counts = json.at("logical_count");
  if (!counts.is_array() || counts.empty() || !counts[0].is_array() || counts[0].empty()) refuse();
  if (counts[0][0].is_array()) {
    for (const auto& step : counts) add_layers(step);
  } else {
    add_layers(counts);
  }
  return domain;
}

int64_t whole_number(const std::string& cell, const std::string& where) {
  int64_t value = 0;
  const auto [end, problem] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (problem != std::errc() || end != cell.data() + cell.size() || value < 0) {
    throw Error("{}: \"{}\" is not a whole number", where, cell);
  }
  return value;
}

// layer_id,expert_id,count. Experts that were never chosen have no line.
DomainCounts counts_of_csv(const InputFile& input) {
  const MappedFile file(input.path);
  DomainCounts domain{.domain = input.domain, .file = input.path.string(), .layers = {}};
  CsvReader reader(file.text(), domain.file);
  const auto header = reader.next();
  if (!header || header->cells != std::vector<std::string>{"layer_id", "expert_id", "count"}) {
    throw Error("{}: the header must be layer_id,expert_id,count", domain.file);
  }
  size_t cells = 0;
  while (const auto record = reader.next()) {
    const auto where = fmt::format("{}:{}", domain.file, record->line);
    if (record->cells.size() != 3) throw Error("{}: has {} cells, not 3", where, record->cells.size());
    const auto layer = whole_number(record->cells[0], where), expert = whole_number(record->cells[1], where);
    if (layer > kMostLayers || expert > 65534) throw Error("{}: no such layer or expert", where);
    auto& counts = domain.layers[static_cast<int>(layer)];
    if (std::ssize(counts) <= expert) {
      cells += static_cast<size_t>(expert) + 1 - counts.size();
      if (cells > kMostCells) throw Error("{}: too many layers and experts", where);
      counts.resize(static_cast<size_t>(expert) + 1);
    }
    counts[static_cast<size_t>(expert)] += static_cast<double>(whole_number(record->cells[2], where));
  }
  if (domain.layers.empty()) throw Error("{}: has no counts", domain.file);
  return domain;
}

// All layers of all CSV files get the same experts: those of --experts, or as many as the largest id says.
void pad_experts(std::vector<DomainCounts>& domains, const ImportOptions& options,
                 std::vector<std::string>& warnings) {
  size_t experts = 0;
  for (const auto& domain : domains) {
    for (const auto& [layer, counts] : domain.layers) experts = std::max(experts, counts.size());
  }
  if (options.experts) {
    if (experts > static_cast<size_t>(std::max(*options.experts, 0))) {
      throw Error("{}: expert {} is beyond the {} of --experts", domains.front().file, experts - 1,
                  *options.experts);
    }
    experts = static_cast<size_t>(*options.experts);
  } else {
    warnings.push_back(
        fmt::format("the source does not say how many experts there are; the largest id is {}, so {} "
                    "are assumed: give --experts",
                    experts - 1, experts));
  }
  size_t layers = 0;
  for (const auto& domain : domains) layers += domain.layers.size();
  if (experts > kMostCells / layers) throw Error("{}: too many layers and experts", domains.front().file);
  for (auto& domain : domains) {
    for (auto& [layer, counts] : domain.layers) counts.resize(experts);
  }
}

}  // namespace

ImportResult import_sglang(const std::filesystem::path& input, const std::filesystem::path& output,
                           const ImportOptions& options) {
  const auto files = input_files(input, kEndings, Subfolders::kAreDomains);
  std::vector<DomainCounts> counts;
  std::vector<InputFile> responses;
  std::vector<std::string> warnings;
  bool csv = false;
  for (const auto& file : files) {
    const auto ending = file.path.extension();
    if (ending == ".csv") {
      counts.push_back(counts_of_csv(file));
      csv = true;
    } else if (ending == ".jsonl") {
      responses.push_back(file);
    } else if (ending == ".json") {
      const Json json = read_json(file.path);
      if (json.is_object() && json.contains("logical_count")) {
        counts.push_back(counts_of_json(file, json));
      } else {
        responses.push_back(file);
      }
    } else {
      counts.push_back(counts_of_arrays(file, options, warnings));
    }
  }
  if (!counts.empty() && !responses.empty()) {
    throw Error("{}: mixes counts ({}) and responses ({})", input.string(), counts.front().file,
                responses.front().path.string());
  }
  if (!counts.empty()) {
    if (csv) pad_experts(counts, options, warnings);
    return import_counts("sglang", input, output, options, std::move(counts), std::move(warnings));
  }
  return import_ids("sglang", input, output, options, [&](const std::function<void(IdSample&)>& use) {
    for (const auto& [path, domain] : responses) for_each_response(path, domain, options.top_k, use);
  });
}

}  // namespace committee::trace
