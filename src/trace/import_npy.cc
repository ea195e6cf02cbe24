#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/mapped_file.h"
#include "trace/import_kinds.h"
#include "trace/import_sink.h"
#include "trace/journal.h"
#include "trace/npy.h"

namespace committee::trace {
namespace {

constexpr double kSumTolerance = 1e-3;

struct DomainArray {
  MappedFile file;
  NpyArray array;
  std::string domain;
};

// What the cells gave rise to say, over all files.
struct Findings {
  int64_t off_sums = 0, zeros = 0, cells = 0, short_rows = 0;
  double worst_sum = 1;
};

DomainArray open_domain(const std::filesystem::path& path) {
  DomainArray domain{.file = MappedFile(path), .array = {}, .domain = name_of_file(path)};
  domain.array = parse_npy(domain.file.bytes(), path.string());
  const auto& array = domain.array;
  if (array.dtype != model::DType::kF32 && array.dtype != model::DType::kF64) {
    throw Error("{}: holds {}, must be float32 or float64", array.name, model::name_of(array.dtype));
  }
  if (array.shape.size() != 3) {
    throw Error("{}: shape {}, must be [samples, layers, experts]", array.name,
                model::format_shape(array.shape));
  }
  if (array.shape[0] == 0) throw Error("{}: holds no samples", array.name);
  if (array.size == 0) throw Error("{}: shape {} has no cells", array.name, model::format_shape(array.shape));
  return domain;
}

std::vector<DomainArray> open_domains(const std::filesystem::path& input) {
  std::vector<DomainArray> domains;
  constexpr std::string_view kEndings[] = {".npy"};
  for (const auto& file : input_files(input, kEndings, Subfolders::kIgnored)) {
    domains.push_back(open_domain(file.path));
    const auto &first = domains.front().array, &last = domains.back().array;
    if (first.shape[1] != last.shape[1] || first.shape[2] != last.shape[2]) {
      throw Error("{}: shape {} has other layers or experts than {} with {}", last.name,
                  model::format_shape(last.shape), first.name, model::format_shape(first.shape));
    }
  }
  return domains;
}

Manifest describe(const std::filesystem::path& input, const std::vector<DomainArray>& domains, int top_k,
                  Rows rows) {
  const auto& shape = domains.front().array.shape;
  Manifest manifest;
  manifest.model.name = name_of_input(input);
  manifest.model.moe_layers.resize(static_cast<size_t>(shape[1]));
  std::iota(manifest.model.moe_layers.begin(), manifest.model.moe_layers.end(), 0);
  manifest.model.experts = static_cast<int>(std::min<int64_t>(shape[2], 1 << 20));
  manifest.model.top_k = top_k;
  auto& recording = manifest.recording;
  recording.dataset = manifest.model.name;
  recording.source = "npy";
  std::string checksums;
  for (const auto& domain : domains)
    checksums += domain.domain + ' ' + checksum_of(domain.file.text()) + '\n';
  recording.data_fingerprint = checksum_of(checksums);
  if (rows == Rows::kShare) {
    recording.positions = "sample";
    recording.executed = Executed::kNone;
    recording.allowed_eci = {"routing"};
  }
  recording.options = {{"rows", rows == Rows::kShare ? "share" : "distribution"}};
  return manifest;
}

// One sample's cells as float32, checked.
void read_sample(const NpyArray& array, int64_t sample, std::vector<float>& cells, Findings& findings) {
  const int64_t layers = array.shape[1], experts = array.shape[2];
  cells.clear();
  for (int64_t layer = 0; layer < layers; ++layer) {
    double sum = 0;
    for (int64_t expert = 0; expert < experts; ++expert) {
      const double value =
          array.value(sample * array.strides[0] + layer * array.strides[1] + expert * array.strides[2]);
      const auto stored = static_cast<float>(value);
      if (!(value >= 0) || !std::isfinite(stored)) {
        throw Error("{}: sample {}, layer {}, expert {} is {}; must be finite and not negative", array.name,
                    sample, layer, expert, value);
      }
      sum += value;
      findings.zeros += value == 0;
      cells.push_back(stored);
    }
    findings.cells += experts;
    if (std::abs(sum - 1) > kSumTolerance) {
      ++findings.off_sums;
      if (std::abs(sum - 1) > std::abs(findings.worst_sum - 1)) findings.worst_sum = sum;
    }
  }
}

std::vector<std::string> warnings_of(const std::vector<DomainArray>& domains, const Findings& findings,
                                     Rows rows) {
  std::vector<std::string> warnings;
  if (std::any_of(domains.begin(), domains.end(),
                  [](const DomainArray& domain) { return domain.array.dtype == model::DType::kF64; })) {
    warnings.push_back("float64 input is stored as float32");
  }
  if (findings.off_sums > 0) {
    warnings.push_back(fmt::format(
        "{} of {} layer vectors do not sum to 1 within {} (the worst sums to {:.6g})", findings.off_sums,
        findings.cells / domains.front().array.shape[2], kSumTolerance, findings.worst_sum));
  }
  if (rows == Rows::kDistribution && findings.short_rows > 0) {
    warnings.push_back(fmt::format(
        "{} layer vectors have fewer than k experts above 0, which no softmax gives: the arrays may hold "
        "shares (--rows share), whose top k was not executed",
        findings.short_rows));
  }
  return warnings;
}

}  // namespace

ImportResult import_npy(const std::filesystem::path& input, const std::filesystem::path& output,
                        const ImportOptions& options) {
  if (!options.top_k) throw Error("import --from npy needs --k, the experts executed per token");
  if (options.experts) throw Error("import --from npy takes no --experts: the arrays say it");
  const Rows rows = options.rows.value_or(Rows::kShare);
  const auto domains = open_domains(input);
  const auto manifest = describe(input, domains, *options.top_k, rows);
  const auto layers = static_cast<size_t>(domains.front().array.shape[1]);
  const auto experts = static_cast<size_t>(domains.front().array.shape[2]);
  if (*options.top_k < 1 || static_cast<size_t>(*options.top_k) > experts) {
    throw Error("--k must be in 1..{}, the experts of {}; found {}", experts, domains.front().array.name,
                *options.top_k);
  }
  const auto top_k = static_cast<size_t>(*options.top_k);

  int64_t samples = 0;
  for (const auto& domain : domains) samples += domain.array.shape[0];
  ImportSink sink(output, manifest, std::vector<int32_t>(static_cast<size_t>(samples), 1), options.existing);
  Findings findings;
  ImportSink::SampleRows row{.position = {0}, .token = {-1}, .probs = {}, .topk_id = {}, .topk_weight = {}};
  if (rows == Rows::kDistribution) {
    row.topk_id.resize(layers * top_k);
    row.topk_weight.resize(layers * top_k);
  }
  for (const auto& domain : domains) {
    for (int64_t sample = 0; sample < domain.array.shape[0]; ++sample) {
      read_sample(domain.array, sample, row.probs, findings);
      for (size_t layer = 0; rows == Rows::kDistribution && layer < layers; ++layer) {
        const auto weights = std::span(row.topk_weight).subspan(layer * top_k, top_k);
        take_top_k(std::span(row.probs).subspan(layer * experts, experts),
                   std::span(row.topk_id).subspan(layer * top_k, top_k), weights);
        findings.short_rows += weights.back() == 0;
      }
      sink.add({.id = fmt::format("{}/{}", domain.domain, sample),
                .domain = domain.domain,
                .subject = domain.domain,
                .tokens = rows == Rows::kDistribution ? 1 : 0},
               row);
    }
  }
  return {sink.finish(), warnings_of(domains, findings, rows)};
}

}  // namespace committee::trace
