#include "roles/token_counts.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/random.h"
#include "roles/tests.h"

namespace committee::roles {
namespace {

constexpr size_t kTabled = 1 << 16;
constexpr uint64_t kStreams = 32;

// Adds one sample's slots a of an expert (x of its n tokens) in a class (c of them) to the sums.
void add_stratum(double a, double x, double c, double n, Stratified& sums) {
  sums.slots += a;
  if (n < 2) return;
  const double t = a - x * c / n;
  const double variance = x * (n - x) * c * (n - c) / (n * n * (n - 1));
  sums.deviation += t;
  sums.variance += variance;
  if (n > 2) sums.third += variance * (n - 2 * x) * (n - 2 * c) / (n * (n - 2));
  sums.squares += t * t;
  sums.cross += t * variance;
  sums.variance_squares += variance * variance;
  sums.strata += variance > 0;
}

// A layer's slots by expert and class in each sample of a wave.
void add_strata(const TokenRows::Wave& wave, std::span<const uint8_t> class_of_row, int classes, int layer,
                int layers, int experts, int k, std::vector<Stratified>& sums) {
  std::vector<int32_t> slots(static_cast<size_t>(experts) * classes);
  std::vector<int32_t> tokens(classes);
  for (size_t s = 0; s < wave.sample.size(); ++s) {
    std::fill(slots.begin(), slots.end(), 0);
    std::fill(tokens.begin(), tokens.end(), 0);
    for (int32_t i = wave.starts[s]; i < wave.starts[s + 1]; ++i) {
      const uint16_t* ids = &wave.block.topk_id[(static_cast<size_t>(wave.row[i]) * layers + layer) * k];
      ++tokens[class_of_row[i]];
      for (int j = 0; j < k; ++j) ++slots[ids[j] * classes + class_of_row[i]];
    }
    const double n = wave.starts[s + 1] - wave.starts[s];
    for (int e = 0; e < experts; ++e) {
      int32_t x = 0;
      for (int c = 0; c < classes; ++c) x += slots[e * classes + c];
      if (x == 0) continue;
      for (int c = 0; c < classes; ++c) {
        add_stratum(slots[e * classes + c], x, tokens[c], n, sums[e * classes + c]);
      }
    }
  }
}

}  // namespace

std::optional<double> Stratified::p_value() const {
  if (!(variance > 0)) return std::nullopt;
  // Residuals about the common effect, so that a steady effect does not count as scatter.
  const double slope = deviation / variance;
  const double residual = squares - 2 * slope * cross + slope * slope * variance_squares;
  const double freedom = strata > 1 ? static_cast<double>(strata) / static_cast<double>(strata - 1) : 1;
  const double dispersion = std::max(1.0, freedom * residual / variance);
  return moment_p_value(deviation, dispersion * variance, dispersion * dispersion * third);
}

CountLogs::CountLogs() : table_(kTabled) {
  for (size_t i = 0; i < kTabled; ++i) table_[i] = computed(static_cast<int64_t>(i));
}
double CountLogs::computed(int64_t i) {
  const auto x = static_cast<double>(i);
  return i > 0 ? x * std::log(x) : 0;
}

TokenFigures token_figures(const TokenRows& rows, std::span<const uint32_t> counts, int experts,
                           const RolesOptions& options, const CountLogs& logs) {
  const size_t width = experts;
  TokenFigures figures;
  figures.information.resize(width);
  figures.marked.resize(width);
  figures.slots.resize(width);
  std::vector<int64_t> total(width);
  std::vector<int32_t> domains(width);
  double by_token = 0;
  for (size_t v = 0; v < rows.tokens().size(); ++v) {
    std::fill(total.begin(), total.end(), 0);
    std::fill(domains.begin(), domains.end(), 0);
    for (int32_t p = rows.first_pair()[v]; p < rows.first_pair()[v + 1]; ++p) {
      const uint32_t* row = &counts[p * width];
      for (size_t e = 0; e < width; ++e) {
        total[e] += row[e];
        domains[e] += row[e] >= options.min_count;
      }
    }
    const int64_t n = rows.counts()[v];
    by_token += logs(n);
    for (size_t e = 0; e < width; ++e) {
      figures.information[e] += logs(total[e]) + logs(n - total[e]);
      figures.slots[e] += total[e];
      figures.marked[e] += domains[e] >= options.min_domains &&
                           static_cast<double>(total[e]) >= options.min_share * static_cast<double>(n);
    }
  }
  const auto all = static_cast<double>(rows.rows());
  for (size_t e = 0; e < width; ++e) {
    const int64_t x = figures.slots[e];
    const double nats =
        figures.information[e] - by_token - logs(x) - logs(rows.rows() - x) + logs(rows.rows());
    figures.information[e] = std::max(0.0, nats / all / std::numbers::ln2);
  }
  return figures;
}

void count(const TokenRows& rows, uint64_t seed, int shuffle, CountTable& table, const TokenClasses* classes,
           std::vector<std::vector<Stratified>>* strata, ThreadPool& pool) {
  const auto& model = rows.reader().trace().manifest().model;
  const int layers = static_cast<int>(model.moe_layers.size()), k = model.top_k;
  const size_t width = table.experts;
  std::fill(table.counts.begin(), table.counts.end(), 0);
  std::vector<uint8_t> class_of_row;
  rows.for_each_wave([&](TokenRows::Wave& wave) {
    const auto samples = static_cast<int64_t>(wave.sample.size());
    if (shuffle > 0) {
      pool.for_each(samples, [&](int64_t s, int) {
        Random random(seed,
                      static_cast<uint64_t>(shuffle) << kStreams | static_cast<uint64_t>(wave.sample[s]));
        random.shuffle(std::span(wave.pair).subspan(wave.starts[s], wave.starts[s + 1] - wave.starts[s]));
      });
    }
    if (strata != nullptr) {
      class_of_row.clear();
      for (const int32_t pair : wave.pair) {
        class_of_row.push_back(static_cast<uint8_t>(classes->of_token[rows.pairs()[pair].token]));
      }
    }
    pool.for_each(table.layers.count, [&](int64_t l, int) {
      const int layer = table.layers.first + static_cast<int>(l);
      uint32_t* counts = &table.counts[l * table.pairs * width];
      for (size_t i = 0; i < wave.row.size(); ++i) {
        const uint16_t* ids = &wave.block.topk_id[(static_cast<size_t>(wave.row[i]) * layers + layer) * k];
        for (int j = 0; j < k; ++j) ++counts[wave.pair[i] * width + ids[j]];
      }
      if (strata == nullptr) return;
      add_strata(wave, class_of_row, static_cast<int>(classes->names.size()), layer, layers,
                 static_cast<int>(width), k, (*strata)[layer]);
    });
  });
}

}  // namespace committee::roles
