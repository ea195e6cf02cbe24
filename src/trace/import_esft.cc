#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "trace/import_counts.h"
#include "trace/import_kinds.h"
#include "trace/import_sink.h"
#include "trace/journal.h"
#include "trace/layer_json.h"

namespace committee::trace {
namespace {

constexpr int kUsualTopK = 6, kUsualExperts = 64;  // DeepSeek-V2-Lite, which ESFT was published with
constexpr std::string_view kPrefix = "expert_weights_", kSuffix = ".txt";

// A folder with a file of each layer; line i of every file is sequence i.
struct TokenTrace {
  std::string domain, folder;
  struct Layer {
    int id = 0;
    MappedFile file;
    std::string_view rest;  // lines not read yet
    int64_t line = 0;
  };
  std::vector<Layer> layers;

  void rewind() {
    for (auto& layer : layers) {
      layer.rest = layer.file.text();
      layer.line = 0;
    }
  }
};

std::optional<int> layer_of_file(const std::filesystem::path& path) {
  const auto name = path.filename().string();
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  return layer_in(name);
}

// Folders with token traces at `folder` or beneath it, two levels down at most (domain, rank).
void find_traces(const std::filesystem::path& folder, const std::string& domain, int depth,
                 std::vector<TokenTrace>& traces) {
  TokenTrace trace{.domain = domain, .folder = folder.string(), .layers = {}};
  std::vector<std::filesystem::path> inner;
  std::error_code problem;
  for (std::filesystem::directory_iterator at(folder, problem), end; !problem && at != end;
       at.increment(problem)) {
    if (const auto layer = layer_of_file(at->path())) {
      trace.layers.push_back({.id = *layer, .file = MappedFile(at->path()), .rest = {}});
    } else if (depth > 0 && at->is_directory()) {
      inner.push_back(at->path());
    }
  }
  if (problem) throw Error("{}: cannot list the folder: {}", folder.string(), problem.message());
  std::sort(trace.layers.begin(), trace.layers.end(),
            [](const TokenTrace::Layer& a, const TokenTrace::Layer& b) { return a.id < b.id; });
  if (!trace.layers.empty()) traces.push_back(std::move(trace));
  std::sort(inner.begin(), inner.end());
  for (const auto& path : inner) {
    const auto name = name_of_input(path);
    find_traces(path, name.starts_with("rank_") ? domain : name, depth - 1, traces);
  }
}

// A sequence in one layer: top_k ids and weights a token.
struct Line {
  std::vector<int32_t> ids;
  std::vector<float> weights;
};

template <typename T>
std::vector<T> numbers(std::string_view text, const std::string& where) {
  std::vector<T> values;
  const char *at = text.data(), *end = text.data() + text.size();
  while (at < end) {
    T value{};
    const auto [next, problem] = std::from_chars(at, end, value);
    if (problem != std::errc() || (next < end && *next != '\t'))
      throw Error("{}: not numbers between tabs", where);
    values.push_back(value);
    at = next < end ? next + 1 : end;
  }
  return values;
}

// The next line of a layer, checked; nothing at the end.
std::optional<Line> next_line(TokenTrace::Layer& layer, int top_k) {
  if (layer.rest.empty()) return std::nullopt;
  const size_t end = std::min(layer.rest.find('\n'), layer.rest.size());
  auto text = layer.rest.substr(0, end);
  layer.rest.remove_prefix(std::min(end + 1, layer.rest.size()));
  const auto where = fmt::format("{}:{}", layer.file.path().string(), ++layer.line);
  if (text.ends_with('\r')) text.remove_suffix(1);
  const size_t middle = text.find("\t\t");
  if (middle == std::string_view::npos) throw Error("{}: has no two tabs between ids and weights", where);
  Line line{.ids = numbers<int32_t>(text.substr(0, middle), where),
            .weights = numbers<float>(text.substr(middle + 2), where)};
  if (line.ids.size() != line.weights.size() || line.ids.empty() ||
      line.ids.size() % static_cast<size_t>(top_k) != 0) {
    throw Error("{}: {} ids and {} weights, must be {} of each a token", where, line.ids.size(),
                line.weights.size(), top_k);
  }
  for (size_t slot = 0; slot < line.ids.size(); ++slot) {
    if (line.ids[slot] < 0 || line.ids[slot] > 65534)
      throw Error("{}: {} is no expert's id", where, line.ids[slot]);
    if (!(line.weights[slot] >= 0) || !std::isfinite(line.weights[slot])) {
      throw Error("{}: the weight {} is negative or not finite", where, line.weights[slot]);
    }
    for (size_t before = slot - slot % static_cast<size_t>(top_k); before < slot; ++before) {
      if (line.ids[before] == line.ids[slot]) {
        throw Error("{}: token {} executes expert {} twice: is --k {} right?", where,
                    slot / static_cast<size_t>(top_k), line.ids[slot], top_k);
      }
    }
  }
  return line;
}

// The next sequence in all layers; empty at the end.
std::vector<Line> next_sequence(TokenTrace& trace, int top_k) {
  std::vector<Line> lines;
  for (auto& layer : trace.layers) {
    auto line = next_line(layer, top_k);
    if (line.has_value() != !lines.empty() && &layer != &trace.layers.front()) {
      throw Error("{}: has {} lines than the other layers", layer.file.path().string(),
                  line ? "more" : "fewer");
    }
    if (!line) continue;
    if (!lines.empty() && line->ids.size() != lines.front().ids.size()) {
      throw Error("{}:{}: has {} ids, other layers have {}", layer.file.path().string(), layer.line,
                  line->ids.size(), lines.front().ids.size());
    }
    lines.push_back(*std::move(line));
  }
  return lines;
}

struct Survey {
  std::vector<int32_t> rows;  // of each sequence
  int32_t largest = 0;
};

Survey survey(std::vector<TokenTrace>& traces, int top_k) {
  Survey result;
  for (auto& trace : traces) {
    trace.rewind();
    for (auto lines = next_sequence(trace, top_k); !lines.empty(); lines = next_sequence(trace, top_k)) {
      result.rows.push_back(static_cast<int32_t>(lines.front().ids.size() / static_cast<size_t>(top_k)));
      for (const auto& line : lines) {
        result.largest = std::max(result.largest, *std::max_element(line.ids.begin(), line.ids.end()));
      }
    }
  }
  return result;
}

// Slots of each token by weight descending, of equal ones the lower id first.
ImportSink::SampleRows take_rows(const std::vector<Line>& lines, size_t top_k) {
  ImportSink::SampleRows rows{.position = {}, .token = {}};
  const size_t tokens = lines.front().ids.size() / top_k;
  std::vector<size_t> order(top_k);
  for (size_t token = 0; token < tokens; ++token) {
    rows.position.push_back(static_cast<int32_t>(token));
    rows.token.push_back(-1);
    for (const auto& line : lines) {
      for (size_t i = 0; i < top_k; ++i) order[i] = token * top_k + i;
      std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        return line.weights[a] != line.weights[b] ? line.weights[a] > line.weights[b]
                                                  : line.ids[a] < line.ids[b];
      });
      for (const size_t slot : order) {
        rows.topk_id.push_back(static_cast<uint16_t>(line.ids[slot]));
        rows.topk_weight.push_back(line.weights[slot]);
      }
    }
  }
  return rows;
}

void check_layers(const std::vector<TokenTrace>& traces) {
  const auto& first = traces.front().layers;
  for (const auto& trace : traces) {
    const bool same = std::equal(first.begin(), first.end(), trace.layers.begin(), trace.layers.end(),
                                 [](const auto& a, const auto& b) { return a.id == b.id; });
    if (!same) throw Error("{}: has other layers than {}", trace.folder, traces.front().folder);
  }
}

ImportResult import_traces(const std::filesystem::path& input, const std::filesystem::path& output,
                           const ImportOptions& options, std::vector<TokenTrace> traces) {
  check_layers(traces);
  const int top_k = options.top_k.value_or(kUsualTopK);
  if (top_k < 1 || top_k > 65534) throw Error("--k must be in 1..65534, found {}", top_k);
  const auto found = survey(traces, top_k);
  const int experts = options.experts.value_or(std::max(kUsualExperts, found.largest + 1));
  if (found.largest >= experts) {
    throw Error("{}: id {} is beyond the {} experts", input.string(), found.largest, experts);
  }
  if (found.rows.empty()) throw Error("{}: holds no sequences", input.string());
  Manifest manifest;
  manifest.model.name = name_of_input(input);
  for (const auto& layer : traces.front().layers) manifest.model.moe_layers.push_back(layer.id);
  manifest.model.experts = experts;
  manifest.model.top_k = top_k;
  auto& recording = manifest.recording;
  recording.dataset = manifest.model.name;
  recording.source = "esft";
  recording.positions = "all";
  recording.record = Record::kTopK;
  recording.allowed_eci = {"executed", "frequency", "reference"};

  ImportSink sink(output, manifest, found.rows, options.existing);
  std::map<std::string, int64_t> numbers_of_domain;
  for (auto& trace : traces) {
    trace.rewind();
    for (auto lines = next_sequence(trace, top_k); !lines.empty(); lines = next_sequence(trace, top_k)) {
      const auto rows = take_rows(lines, static_cast<size_t>(top_k));
      sink.add({.id = fmt::format("{}/{}", trace.domain, numbers_of_domain[trace.domain]++),
                .domain = trace.domain,
                .subject = trace.domain,
                .tokens = std::ssize(rows.position)},
               rows);
    }
  }
  std::vector<std::string> warnings;
  if (!options.experts) {
    warnings.push_back(fmt::format(
        "the source does not say how many experts there are; {} are assumed: give --experts", experts));
  }
  return {sink.finish(), std::move(warnings)};
}

// {"token_scores": {"1": {"0": share, …}, …}, …}: each layer's share of slots by expert, to four digits.
DomainCounts counts_of_summary(const InputFile& input) {
  DomainCounts domain{.domain = input.domain, .file = input.path.string(), .layers = {}};
  const Json json = read_json(input.path);
  if (!json.is_object() || !json.contains("token_scores") || !json["token_scores"].is_object()) {
    throw Error("{}: has no \"token_scores\"", domain.file);
  }
  for (const auto& [key, shares] : json["token_scores"].items()) {
    const auto layer = layer_in(key);
    if (!layer || !shares.is_object()) throw Error("{}: \"{}\" is no layer of shares", domain.file, key);
    auto& counts = domain.layers[*layer];
    counts.resize(shares.size());
    double sum = 0;
    for (const auto& [name, share] : shares.items()) {
      const auto expert = layer_in(name);
      if (!expert || static_cast<size_t>(*expert) >= counts.size() || !share.is_number()) {
        throw Error("{}: layer {}: \"{}\" must be an expert below {} with a number", domain.file, *layer,
                    name, counts.size());
      }
      sum += counts[static_cast<size_t>(*expert)] = share.get<double>();
    }
    if (std::abs(sum - 1) > 1e-4 * static_cast<double>(std::max<size_t>(counts.size(), 10))) {
      throw Error(
          "{}: the token_scores of layer {} sum to {:.4f}, not 1: normalised over something else than "
          "experts",
          domain.file, *layer, sum);
    }
  }
  return domain;
}

}  // namespace

ImportResult import_esft(const std::filesystem::path& input, const std::filesystem::path& output,
                         const ImportOptions& options) {
  constexpr std::string_view kEndings[] = {".json"};
  std::vector<TokenTrace> traces;
  if (!std::filesystem::is_regular_file(input)) find_traces(input, name_of_input(input), 2, traces);
  if (!traces.empty()) return import_traces(input, output, options, std::move(traces));

  std::vector<DomainCounts> domains;
  for (const auto& file : input_files(input, kEndings, Subfolders::kAreDomains)) {
    domains.push_back(counts_of_summary(file));
  }
  ImportOptions with_k = options;
  if (!with_k.top_k) with_k.top_k = kUsualTopK;
  return import_counts(
      "esft", input, output, with_k, std::move(domains),
      {"of summary.json the token_scores (shares of slots) are read; gate_scores are sums of gate "
       "weights of the executed experts, which are no contribution of METHOD 2"});
}

}  // namespace committee::trace
