#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "base/mapped_file.h"
#include "trace/array_file.h"
#include "trace/import_kinds.h"
#include "trace/import_sink.h"
#include "trace/journal.h"

namespace committee::trace {
namespace {

using model::DType;

constexpr int64_t kBlockRows = 256;

// One layer's router output: [batch, sequence, E], whatever form it was saved in.
struct RouterLayer {
  int id = 0;
  const NpyArray* array = nullptr;
  int64_t offset = 0, row_stride = 0, expert_stride = 0;  // in elements; a row is one token

  double value(int64_t row, int64_t expert) const {
    return array->value(offset + row * row_stride + expert * expert_stride);
  }
};

struct RouterFile {
  ArrayFile file;
  std::string domain;
  std::vector<RouterLayer> layers;
  int64_t batch = 1, sequence = 0, experts = 0;  // batch · sequence rows
  const NpyArray *mask = nullptr, *tokens = nullptr;
};

// What the values are, over all files.
struct Survey {
  bool distributions = true;  // every row is ≥ 0 and sums to 1
  bool within_one = true;     // every value is in [0, 1]
  double tolerance = 1e-3;
};

// The last number in a key is the layer's.
std::optional<int> layer_of(const std::string& key) {
  size_t end = key.size();
  while (end > 0 && !std::isdigit(static_cast<unsigned char>(key[end - 1]))) --end;
  size_t begin = end;
  while (begin > 0 && std::isdigit(static_cast<unsigned char>(key[begin - 1]))) --begin;
  if (begin == end || end - begin > 6) return std::nullopt;
  return std::stoi(key.substr(begin, end - begin));
}

void check_type(const NpyArray& array) {
  if (array.dtype != DType::kF32 && array.dtype != DType::kF64 && array.dtype != DType::kF16 &&
      array.dtype != DType::kBF16) {
    throw Error("{}: holds {}, must be floating point", array.name, model::name_of(array.dtype));
  }
}

void add_layer(RouterFile& router, int id, const NpyArray& array) {
  check_type(array);
  const size_t dimensions = array.shape.size();
  const bool batched = dimensions == 3;
  if ((dimensions != 2 && !batched) || array.size == 0) {
    throw Error("{}: shape {}, must be [batch·sequence, experts] or [batch, sequence, experts]", array.name,
                model::format_shape(array.shape));
  }
  if (batched && array.strides[0] != array.shape[1] * array.strides[1]) {
    throw Error("{}: Fortran order is not read in three dimensions", array.name);
  }
  router.layers.push_back({id, &array, 0, array.strides[dimensions - 2], array.strides[dimensions - 1]});
  const int64_t batch = batched ? array.shape[0] : 1, sequence = array.shape[dimensions - 2];
  const int64_t experts = array.shape[dimensions - 1];
  if (router.layers.size() == 1) {
    router.batch = batch;
    router.sequence = sequence;
    router.experts = experts;
  } else if (router.batch != batch || router.sequence != sequence || router.experts != experts) {
    throw Error("{}: shape {} differs from {}'s {}", array.name, model::format_shape(array.shape),
                router.layers.front().array->name, model::format_shape(router.layers.front().array->shape));
  }
}

// One array [layers, tokens, experts] without a number in its key: the layers stacked.
void add_stack(RouterFile& router, const NpyArray& array) {
  check_type(array);
  if (array.shape.size() != 3 || array.size == 0) {
    throw Error(
        "{}: shape {}, must be [layers, tokens, experts], or one array a layer with its number in the key",
        array.name, model::format_shape(array.shape));
  }
  router.sequence = array.shape[1];
  router.experts = array.shape[2];
  for (int64_t layer = 0; layer < array.shape[0]; ++layer) {
    router.layers.push_back(
        {static_cast<int>(layer), &array, layer * array.strides[0], array.strides[1], array.strides[2]});
  }
}

// Masks and ids are [batch, sequence] and say how the rows are to be cut.
void apply_shape(RouterFile& router, const NpyArray* array) {
  if (!array) return;
  const int64_t rows = router.batch * router.sequence;
  if (array->size != rows || array->shape.empty() || array->shape.size() > 2) {
    throw Error("{}: shape {} does not fit {} rows", array->name, model::format_shape(array->shape), rows);
  }
  router.sequence = array->shape.back();
  router.batch = rows / router.sequence;
}

RouterFile open_router(const InputFile& input) {
  RouterFile router{.file = ArrayFile::open(input.path), .domain = input.domain, .layers = {}};
  std::vector<const NpyArray*> unnumbered;
  for (const auto& array : router.file.arrays()) {
    if (array.key == "attention_mask") {
      router.mask = &array;
    } else if (array.key == "input_ids") {
      router.tokens = &array;
    } else if (const auto layer = layer_of(array.key)) {
      add_layer(router, *layer, array);
    } else {
      unnumbered.push_back(&array);
    }
  }
  if (router.layers.empty() && unnumbered.size() == 1) {
    add_stack(router, *unnumbered.front());
  } else if (!unnumbered.empty()) {
    throw Error("{}: the key does not say which layer it is of", unnumbered.front()->name);
  }
  if (router.layers.empty()) throw Error("{}: holds no router outputs", router.file.name());
  std::sort(router.layers.begin(), router.layers.end(),
            [](const RouterLayer& a, const RouterLayer& b) { return a.id < b.id; });
  for (size_t i = 1; i < router.layers.size(); ++i) {
    if (router.layers[i].id == router.layers[i - 1].id) {
      throw Error("{}: two arrays are of layer {}", router.file.name(), router.layers[i].id);
    }
  }
  apply_shape(router, router.mask);
  apply_shape(router, router.tokens);
  return router;
}

bool equal_rows(const RouterFile& router, int64_t a, int64_t b) {
  return std::all_of(router.layers.begin(), router.layers.end(), [&](const RouterLayer& layer) {
    for (int64_t expert = 0; expert < router.experts; ++expert) {
      if (layer.value(a, expert) != layer.value(b, expert)) return false;
    }
    return true;
  });
}

// The tokens of a sequence that are not padding. Without a mask, tokens that are equal to their neighbour to
// the last bit in every layer are taken for it: attention gives two real tokens different contexts.
std::vector<int32_t> real_tokens(const RouterFile& router, int64_t sequence) {
  const int64_t begin = sequence * router.sequence;
  std::vector<bool> padding(static_cast<size_t>(router.sequence));
  for (int64_t i = 0; i < router.sequence; ++i) {
    const auto at = static_cast<size_t>(i);
    if (router.mask) {
      padding[at] = router.mask->value(begin + i) == 0;
    } else if (i > 0 && equal_rows(router, begin + i - 1, begin + i)) {
      padding[at - 1] = padding[at] = true;
    }
  }
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < router.sequence; ++i) {
    if (!padding[static_cast<size_t>(i)]) tokens.push_back(static_cast<int32_t>(i));
  }
  return tokens;
}

void survey_rows(const RouterFile& router, int64_t sequence, const std::vector<int32_t>& tokens,
                 Survey& survey) {
  for (const auto& layer : router.layers) {
    // Rounding of the values themselves moves a row's sum.
    if (layer.array->dtype == DType::kBF16) survey.tolerance = 2e-2;
    if (layer.array->dtype == DType::kF16) survey.tolerance = std::max(survey.tolerance, 5e-3);
    for (const int32_t token : tokens) {
      double sum = 0;
      for (int64_t expert = 0; expert < router.experts; ++expert) {
        const double value = layer.value(sequence * router.sequence + token, expert);
        if (std::isnan(value) || value == std::numeric_limits<double>::infinity()) {
          throw Error("{}: row {}, expert {} is {}", layer.array->name, sequence * router.sequence + token,
                      expert, value);
        }
        survey.within_one = survey.within_one && value >= 0 && value <= 1;
        sum += value;
      }
      survey.distributions =
          survey.distributions && survey.within_one && std::abs(sum - 1) <= survey.tolerance;
    }
  }
}

void take_distribution(const RouterLayer& layer, int64_t row, bool is_distribution, std::span<float> probs) {
  const auto experts = std::ssize(probs);
  if (is_distribution) {
    for (int64_t i = 0; i < experts; ++i)
      probs[static_cast<size_t>(i)] = static_cast<float>(layer.value(row, i));
    return;
  }
  double largest = -std::numeric_limits<double>::infinity(), sum = 0;
  for (int64_t i = 0; i < experts; ++i) largest = std::max(largest, layer.value(row, i));
  for (int64_t i = 0; i < experts; ++i) sum += std::exp(layer.value(row, i) - largest);
  for (int64_t i = 0; i < experts; ++i) {
    probs[static_cast<size_t>(i)] = static_cast<float>(std::exp(layer.value(row, i) - largest) / sum);
  }
  if (!(sum > 0)) throw Error("{}: row {} is -inf for every expert", layer.array->name, row);
}

void write_sequence(const RouterFile& router, int64_t sequence, const std::vector<int32_t>& tokens,
                    bool distributions, size_t top_k, ImportSink& sink) {
  const auto experts = static_cast<size_t>(router.experts);
  const int64_t begin = sequence * router.sequence;
  std::vector<int32_t> ids;
  for (const int32_t token : tokens) {
    const double id = router.tokens ? router.tokens->value(begin + token) : -1;
    if (!(id >= -1 && id <= 2147483647.0)) throw Error("{}: {} is no token id", router.tokens->name, id);
    ids.push_back(static_cast<int32_t>(id));
  }
  std::vector<int32_t> positions(tokens.size());  // padding does not count
  std::iota(positions.begin(), positions.end(), 0);
  sink.begin_sample(positions, ids);
  for (size_t first = 0; first < tokens.size(); first += kBlockRows) {
    const size_t rows = std::min<size_t>(kBlockRows, tokens.size() - first);
    const size_t cells = rows * router.layers.size();
    ImportSink::SampleRows block{.position = {}, .token = {}};
    block.probs.resize(cells * experts);
    block.topk_id.resize(cells * top_k);
    block.topk_weight.resize(cells * top_k);
    for (size_t cell = 0; cell < cells; ++cell) {
      const auto& layer = router.layers[cell % router.layers.size()];
      const auto probs = std::span(block.probs).subspan(cell * experts, experts);
      take_distribution(layer, begin + tokens[first + cell / router.layers.size()], distributions, probs);
      take_top_k(probs, std::span(block.topk_id).subspan(cell * top_k, top_k),
                 std::span(block.topk_weight).subspan(cell * top_k, top_k));
    }
    sink.add_block(block, static_cast<int64_t>(rows));
  }
}

std::vector<RouterFile> open_routers(const std::filesystem::path& input) {
  constexpr std::string_view kEndings[] = {".npz", ".safetensors"};
  std::vector<RouterFile> routers;
  for (const auto& file : input_files(input, kEndings, Subfolders::kAreDomains)) {
    routers.push_back(open_router(file));
    const auto &first = routers.front(), &last = routers.back();
    const bool same_layers =
        std::equal(first.layers.begin(), first.layers.end(), last.layers.begin(), last.layers.end(),
                   [](const RouterLayer& a, const RouterLayer& b) { return a.id == b.id; });
    if (!same_layers || first.experts != last.experts) {
      throw Error("{}: has other layers or experts than {}", last.file.name(), first.file.name());
    }
  }
  return routers;
}

Manifest describe(const std::filesystem::path& input, const RouterFile& router, int top_k) {
  Manifest manifest;
  manifest.model.name = name_of_input(input);
  for (const auto& layer : router.layers) manifest.model.moe_layers.push_back(layer.id);
  manifest.model.experts = static_cast<int>(std::min<int64_t>(router.experts, 1 << 20));
  manifest.model.top_k = top_k;
  manifest.recording.dataset = manifest.model.name;
  manifest.recording.source = "hf";
  manifest.recording.positions = "all";
  return manifest;
}

}  // namespace

ImportResult import_hf(const std::filesystem::path& input, const std::filesystem::path& output,
                       const ImportOptions& options) {
  if (!options.top_k) throw Error("import --from hf needs --k, the experts executed per token");
  if (options.experts) throw Error("import --from hf takes no --experts: the arrays say it");
  const auto routers = open_routers(input);
  const int64_t experts = routers.front().experts;
  if (*options.top_k < 1 || *options.top_k > experts) {
    throw Error("--k must be in 1..{}, the experts of {}; found {}", experts, routers.front().file.name(),
                *options.top_k);
  }
  Survey survey;
  std::vector<int32_t> rows_of;
  int64_t padding = 0;
  bool masked = true;
  for (const auto& router : routers) {
    masked = masked && router.mask;
    for (int64_t sequence = 0; sequence < router.batch; ++sequence) {
      const auto tokens = real_tokens(router, sequence);
      if (tokens.empty()) throw Error("{}: sequence {} is nothing but padding", router.file.name(), sequence);
      survey_rows(router, sequence, tokens, survey);
      rows_of.push_back(static_cast<int32_t>(tokens.size()));
      padding += router.sequence - std::ssize(tokens);
    }
  }
  ImportSink sink(output, describe(input, routers.front(), *options.top_k), std::move(rows_of),
                  options.existing);
  for (const auto& router : routers) {
    const auto file = name_of_file(router.file.name());
    for (int64_t sequence = 0; sequence < router.batch; ++sequence) {
      const auto tokens = real_tokens(router, sequence);
      write_sequence(router, sequence, tokens, survey.distributions, static_cast<size_t>(*options.top_k),
                     sink);
      const auto place = file == router.domain ? file : router.domain + "/" + file;
      sink.end_sample({.id = fmt::format("{}/{}", place, sequence),
                       .domain = router.domain,
                       .subject = router.domain,
                       .tokens = std::ssize(tokens)});
    }
  }
  std::vector<std::string> warnings;
  if (survey.distributions) {
    warnings.push_back(
        "every row sums to 1: the values are distributions already and were not put through softmax");
  } else if (survey.within_one) {
    warnings.push_back(
        "every value is in 0..1 but rows do not sum to 1: sigmoid scores? They were taken for logits and put "
        "through "
        "softmax");
  }
  if (padding > 0) {
    warnings.push_back(fmt::format("{} padding tokens were left out ({})", padding,
                                   masked ? "by attention_mask" : "equal to their neighbour in every layer"));
  }
  warnings.push_back(
      "the executed sets are taken to be the k largest probabilities: not so for routers with group limits "
      "or "
      "selection biases");
  return {sink.finish(), std::move(warnings)};
}

}  // namespace committee::trace
