#include <algorithm>
#include <cstdint>

#include "report/audit_files.h"
#include "report/csv_table.h"

namespace committee::report {

namespace {

using audit::AuditResult;
using audit::ExpertFigures;
using audit::Figure;
using audit::LayerResult;

std::string joined(const std::vector<int>& ids) {
  std::string text;
  for (const int id : ids) {
    if (!text.empty()) text += ' ';
    text += std::to_string(id);
  }
  return text;
}

std::optional<double> flag(bool value) { return value ? 1.0 : 0.0; }

template <typename Row>
void layer_column(CsvTable<Row>& table) {
  table.number("layer", [](const Row& row) { return std::optional<double>(row.layer->layer); });
}

// A row of a file with one row a layer.
struct LayerRow {
  const LayerResult* layer;
};

CsvTable<LayerRow> layer_table(const AuditResult& result) {
  std::vector<LayerRow> rows;
  for (const auto& layer : result.layers) rows.push_back({&layer});
  CsvTable<LayerRow> table(std::move(rows));
  layer_column(table);
  return table;
}

auto figure_of(Figure LayerResult::*figure) {
  return [figure](const LayerRow& row) { return &(row.layer->*figure); };
}

void shuffle_columns(CsvTable<LayerRow>& table, const AuditResult& result) {
  if (std::none_of(result.layers.begin(), result.layers.end(), [](const auto& l) { return l.shuffle; }))
    return;
  table.number("shuffle_committee_rate", [](const LayerRow& row) {
    return row.layer->shuffle ? std::optional(row.layer->shuffle->committee_rate) : std::nullopt;
  });
  using audit::ShuffleBaseline;
  const auto add = [&](const std::string& name, Figure ShuffleBaseline::*figure) {
    static const Figure kAbsent;
    table.figure("shuffle_" + name, [figure](const LayerRow& row) {
      return row.layer->shuffle ? &(*row.layer->shuffle.*figure) : &kAbsent;
    });
  };
  add("size", &ShuffleBaseline::size);
  add("core_size", &ShuffleBaseline::core_size);
  add("coverage_topk", &ShuffleBaseline::coverage_topk);
  add("jaccard_mean", &ShuffleBaseline::jaccard_mean);
}

std::string committees_csv(const AuditResult& result) {
  auto table = layer_table(result);
  table.number("size", [](const LayerRow& row) { return static_cast<double>(row.layer->committee.size()); });
  table.text("committee", [](const LayerRow& row) { return joined(row.layer->committee); });
  table.number("core_size", [](const LayerRow& row) { return static_cast<double>(row.layer->core.size()); });
  table.text("core", [](const LayerRow& row) { return joined(row.layer->core); });
  table.baselines("size", figure_of(&LayerResult::size));
  table.baselines("core_size", figure_of(&LayerResult::core_size));
  table.figure("avg_rank", figure_of(&LayerResult::avg_rank));
  table.figure("rank_variance", figure_of(&LayerResult::rank_variance));
  table.figure("coverage_full", figure_of(&LayerResult::coverage_full));
  table.figure("coverage_topk", figure_of(&LayerResult::coverage_topk));
  table.figure("ratio_full", figure_of(&LayerResult::ratio_full));
  table.figure("ratio_topk", figure_of(&LayerResult::ratio_topk));
  if (std::any_of(result.layers.begin(), result.layers.end(), [](const auto& l) { return l.stable; })) {
    table.number("stable_size", [](const LayerRow& row) {
      return row.layer->stable ? std::optional(static_cast<double>(row.layer->stable->size())) : std::nullopt;
    });
    table.text("stable", [](const LayerRow& row) {
      return row.layer->stable ? joined(*row.layer->stable) : std::string();
    });
  }
  if (std::any_of(result.layers.begin(), result.layers.end(), [](const auto& l) { return l.agreement; })) {
    table.number("agreement", [](const LayerRow& row) { return row.layer->agreement; });
  }
  const auto excess = figure_of(&LayerResult::excess_topk);
  const bool any_excess = std::any_of(result.layers.begin(), result.layers.end(),
                                      [](const auto& layer) { return layer.excess_topk.value.has_value(); });
  if (any_excess) table.figure("excess_topk", excess);
  table.number("by_fallback", [](const LayerRow& row) { return flag(row.layer->by_fallback); });
  table.text("verdict", [](const LayerRow& row) { return std::string(name_of(row.layer->verdict.verdict)); });
  shuffle_columns(table, result);
  return table.csv();
}

std::string sharing_csv(const AuditResult& result) {
  auto table = layer_table(result);
  const auto mean = figure_of(&LayerResult::jaccard_mean);
  table.number("jaccard_mean", [](const LayerRow& row) { return row.layer->jaccard_mean.value; });
  table.figure("jaccard_min", figure_of(&LayerResult::jaccard_min));
  table.figure("jaccard_max", figure_of(&LayerResult::jaccard_max));
  table.number("chance", [](const LayerRow& row) { return row.layer->chance; });
  for (const auto& baseline : kBaselines) {
    const std::string_view suffix = baseline.suffix;
    if (!suffix.starts_with("permuted") && suffix != "p_value") continue;
    table.number(baseline.suffix,
                 [get = baseline.get](const LayerRow& row) { return get(row.layer->jaccard_mean); });
  }
  table.number("effect", [](const LayerRow& row) { return row.layer->effect; });
  table.baselines("jaccard_mean", mean,
                  {"floor", "permuted_mean", "permuted_low", "permuted_high", "p_value"});
  return table.csv();
}

std::string concentration_csv(const AuditResult& result) {
  auto table = layer_table(result);
  table.figure("gini_full", figure_of(&LayerResult::gini_full));
  table.number("gini_topk", [](const LayerRow& row) { return row.layer->gini_topk.value; });
  table.number("gini_floor", [](const LayerRow& row) { return row.layer->gini_topk.floor; });
  table.baselines("gini_topk", figure_of(&LayerResult::gini_topk), {"floor"});
  table.figure("used_experts", figure_of(&LayerResult::used_experts));
  return table.csv();
}

std::string load_csv(const AuditResult& result) {
  auto table = layer_table(result);
  table.figure("routing_entropy", figure_of(&LayerResult::routing_entropy));
  table.figure("load_entropy", figure_of(&LayerResult::load_entropy));
  table.figure("effective_experts", figure_of(&LayerResult::effective_experts));
  table.figure("max_over_mean", figure_of(&LayerResult::max_over_mean));
  table.figure("unused", figure_of(&LayerResult::unused));
  return table.csv();
}

std::string variance_csv(const AuditResult& result) {
  auto table = layer_table(result);
  table.number("r2", [](const LayerRow& row) { return row.layer->r2.value; });
  table.number("p_value", [](const LayerRow& row) {
    return row.layer->r2.permuted ? std::optional(row.layer->r2.permuted->p_value) : std::nullopt;
  });
  table.baselines("r2", figure_of(&LayerResult::r2), {"p_value"});
  const bool nested = std::any_of(result.layers.begin(), result.layers.end(),
                                  [](const auto& layer) { return layer.r2_nested.value.has_value(); });
  if (!nested) return table.csv();
  table.figure("r2_nested", figure_of(&LayerResult::r2_nested));
  table.number("r2_rest", [](const LayerRow& row) -> std::optional<double> {
    if (!row.layer->r2.value) return std::nullopt;
    return 1 - *row.layer->r2.value - row.layer->r2_nested.value.value_or(0);
  });
  return table.csv();
}

// A row of a file with one row for each `item` (expert, domain, pair, point) of a layer.
struct ItemRow {
  const LayerResult* layer;
  size_t item;
};

template <typename CountOf>
CsvTable<ItemRow> item_table(const AuditResult& result, CountOf count_of) {
  std::vector<ItemRow> rows;
  for (const auto& layer : result.layers) {
    for (size_t i = 0, count = count_of(layer); i < count; ++i) rows.push_back({&layer, i});
  }
  CsvTable<ItemRow> table(std::move(rows));
  layer_column(table);
  return table;
}

std::string experts_csv(const AuditResult& result) {
  auto table = item_table(result, [](const LayerResult& layer) { return layer.experts.size(); });
  const auto expert = [](Figure ExpertFigures::*figure) {
    return [figure](const ItemRow& row) { return &(row.layer->experts[row.item].*figure); };
  };
  table.number("expert", [](const ItemRow& row) { return static_cast<double>(row.item); });
  table.figure("contribution", expert(&ExpertFigures::contribution));
  table.figure("presence", expert(&ExpertFigures::presence));
  table.figure("avg_rank", expert(&ExpertFigures::avg_rank));
  table.figure("rank_variance", expert(&ExpertFigures::rank_variance));
  table.number("candidate", [](const ItemRow& row) { return flag(row.layer->experts[row.item].candidate); });
  table.number("in_committee",
               [](const ItemRow& row) { return flag(row.layer->experts[row.item].in_committee); });
  table.number("inclusion", [](const ItemRow& row) { return row.layer->experts[row.item].inclusion; });
  table.number("core_inclusion",
               [](const ItemRow& row) { return row.layer->experts[row.item].core_inclusion; });
  return table.csv();
}

std::string lorenz_csv(const AuditResult& result) {
  auto table = item_table(result, [](const LayerResult& layer) { return layer.lorenz.size(); });
  table.number("share_of_experts", [](const ItemRow& row) {
    return static_cast<double>(row.item) / static_cast<double>(row.layer->lorenz.size() - 1);
  });
  table.number("share_of_contribution", [](const ItemRow& row) { return row.layer->lorenz[row.item]; });
  return table.csv();
}

std::string specificity_csv(const AuditResult& result) {
  auto table = item_table(result, [](const LayerResult& layer) { return layer.silhouette.size(); });
  table.text("domain", [&](const ItemRow& row) { return result.domains[row.item].name; });
  table.number("samples",
               [&](const ItemRow& row) { return static_cast<double>(result.domains[row.item].samples); });
  table.figure("silhouette", [](const ItemRow& row) { return &row.layer->silhouette[row.item]; });
  return table.csv();
}

// One figure's greatest, least and mean value over the layers.
struct SummaryRow {
  const char *figure, *statistic;
  const Figure* value;
};

std::string summary_csv(const AuditResult& result) {
  std::vector<SummaryRow> rows;
  for (const auto& summary : kSummaries) {
    for (const auto& extreme : kExtremes) {
      rows.push_back({summary.name, extreme.name, &(result.*summary.summary.*extreme.figure)});
    }
  }
  CsvTable<SummaryRow> table(std::move(rows));
  table.text("figure", [](const SummaryRow& row) { return std::string(row.figure); });
  table.text("statistic", [](const SummaryRow& row) { return std::string(row.statistic); });
  table.figure("value", [](const SummaryRow& row) { return row.value; });
  return table.csv();
}

}  // namespace

std::string contributions_csv(const AuditResult& result, Baselines baselines) {
  auto table = item_table(result, [](const LayerResult& layer) { return layer.contributions.size(); });
  const size_t experts = std::max<size_t>(1, static_cast<size_t>(result.model.experts));
  table.text("domain", [&](const ItemRow& row) { return result.domains[row.item / experts].name; });
  table.number("expert", [=](const ItemRow& row) { return static_cast<double>(row.item % experts); });
  const auto contribution = [](const ItemRow& row) { return &row.layer->contributions[row.item]; };
  table.number("contribution", [=](const ItemRow& row) { return contribution(row)->value; });
  table.number("rank", [](const ItemRow& row) { return static_cast<double>(row.layer->ranks[row.item]); });
  if (baselines == Baselines::kShown) table.baselines("contribution", contribution);
  return table.csv();
}

std::string jaccard_pairs_csv(const AuditResult& result, Baselines baselines) {
  auto table = item_table(result, [](const LayerResult& layer) { return layer.pairs.size(); });
  const auto name = [&](int domain) { return result.domains[static_cast<size_t>(domain)].name; };
  table.text("domain_a", [=](const ItemRow& row) { return name(row.layer->pairs[row.item].a); });
  table.text("domain_b", [=](const ItemRow& row) { return name(row.layer->pairs[row.item].b); });
  const auto jaccard = [](const ItemRow& row) { return &row.layer->pairs[row.item].jaccard; };
  table.number("jaccard", [=](const ItemRow& row) { return jaccard(row)->value; });
  if (baselines == Baselines::kShown) table.baselines("jaccard", jaccard);
  return table.csv();
}

std::vector<CsvFile> audit_csv(const AuditResult& result) {
  return {
      {"committees.csv", committees_csv(result)},
      {"experts.csv", experts_csv(result)},
      {"contributions.csv", contributions_csv(result, Baselines::kShown)},
      {"sharing.csv", sharing_csv(result)},
      {"jaccard_pairs.csv", jaccard_pairs_csv(result, Baselines::kShown)},
      {"concentration.csv", concentration_csv(result)},
      {"lorenz.csv", lorenz_csv(result)},
      {"load.csv", load_csv(result)},
      {"specificity.csv", specificity_csv(result)},
      {"variance.csv", variance_csv(result)},
      {"summary.csv", summary_csv(result)},
  };
}

}  // namespace committee::report
