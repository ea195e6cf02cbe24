#include "report/balance_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/csv_table.h"
#include "report/json_writer.h"
#include "report/masking.h"
#include "report/measure_columns.h"
#include "report/text.h"

namespace committee::report {
namespace {

using balance::AlwaysCost;
using balance::BalanceResult;
using balance::DomainBalance;
using balance::LayerBalance;

using Number = std::optional<double>;

struct LayerRow {
  const LayerBalance* layer;
  const BalancedRun* run;  // nullptr: none
};

auto number(auto LayerBalance::*member) {
  return [member](const LayerRow& row) { return Number(row.layer->*member); };
}
auto figure(audit::Figure LayerBalance::*member) {
  return [member](const LayerRow& row) { return &(row.layer->*member); };
}

std::string layers_csv(const BalanceResult& result, const std::map<int, BalancedRun>& runs) {
  std::vector<LayerRow> rows;
  for (const auto& layer : result.layers) {
    const auto run = runs.find(layer.layer);
    rows.push_back({&layer, run == runs.end() ? nullptr : &run->second});
  }
  CsvTable<LayerRow> table(std::move(rows));
  table.number("layer", number(&LayerBalance::layer));
  table.figure("balance_loss", figure(&LayerBalance::balance_loss));
  table.figure("balance_loss_within_domain", figure(&LayerBalance::balance_loss_within_domain));
  table.figure("slots_moved", figure(&LayerBalance::slots_moved));
  table.figure("mass_lost", figure(&LayerBalance::mass_lost));
  table.number("executed_mass", number(&LayerBalance::executed_mass));
  table.number("worst_load", number(&LayerBalance::worst_load));
  table.number("worst_load_balanced", number(&LayerBalance::worst_load_balanced));
  table.number("balance_loss_balanced", number(&LayerBalance::balance_loss_balanced));
  table.number("converged", number(&LayerBalance::converged));
  table.number("passes", number(&LayerBalance::passes));
  table.number("rule_agrees", number(&LayerBalance::rule_agrees));
  if (runs.empty()) return table.csv();
  table.number("worst_load_rerun",
               [](const LayerRow& row) { return row.run ? Number(row.run->worst_load) : Number(); });
  add_measures<LayerRow>(
      table, [](const LayerRow& row) { return row.run ? row.run->outcomes : nullptr; }, false);
  return table.csv();
}

struct DomainRow {
  const LayerBalance* layer;
  const audit::Domain* domain;
  const DomainBalance* balance;
};

std::string domains_csv(const BalanceResult& result) {
  std::vector<DomainRow> rows;
  for (const auto& layer : result.layers) {
    for (size_t d = 0; d < layer.domains.size(); ++d) {
      rows.push_back({&layer, &result.domains[d], &layer.domains[d]});
    }
  }
  CsvTable<DomainRow> table(std::move(rows));
  table.number("layer", [](const DomainRow& row) { return Number(row.layer->layer); });
  table.text("domain", [](const DomainRow& row) { return row.domain->name; });
  table.number("samples", [](const DomainRow& row) { return Number(row.domain->samples); });
  table.number("rows", [](const DomainRow& row) { return Number(row.domain->rows); });
  table.figure("balance_loss", [](const DomainRow& row) { return &row.balance->balance_loss; });
  table.number("slots_moved", [](const DomainRow& row) { return Number(row.balance->slots_moved); });
  table.number("mass_lost", [](const DomainRow& row) { return Number(row.balance->mass_lost); });
  return table.csv();
}

template <typename Value>
double mean(const std::vector<LayerBalance>& layers, Value value) {
  double sum = 0;
  for (const auto& layer : layers) sum += value(layer);
  return sum / static_cast<double>(layers.size());
}

std::string loss_sentence(const BalanceResult& result) {
  const auto& layers = result.layers;
  std::string text = fmt::format(
      "The load-balancing loss is {:.3f} over all tokens and {:.3f} inside a domain, means over {} (1 when "
      "uniform)",
      mean(layers, [](const auto& l) { return *l.balance_loss.value; }),
      mean(layers, [](const auto& l) { return *l.balance_loss_within_domain.value; }),
      counted(std::ssize(layers), "layer"));
  const auto shuffled = [](const LayerBalance& l) {
    return l.balance_loss_within_domain.permuted.has_value();
  };
  if (!std::all_of(layers.begin(), layers.end(), shuffled)) return text + ".";
  const auto significant = std::count_if(layers.begin(), layers.end(), [](const LayerBalance& l) {
    return l.balance_loss_within_domain.permuted->p_value <= 0.05;
  });
  return text + fmt::format(
                    "; with the domain labels shuffled the inside is {:.3f}, and domains are less balanced "
                    "than that in {} of them (p ≤ 0.05).",
                    mean(layers, [](const auto& l) { return l.balance_loss_within_domain.permuted->mean; }),
                    significant);
}

}  // namespace

std::vector<CsvFile> balance_csv(const BalanceResult& result, const std::map<int, BalancedRun>& runs) {
  return {{"balance.csv", layers_csv(result, runs)}, {"balance_domains.csv", domains_csv(result)}};
}

std::string always_csv(const std::vector<AlwaysCost>& costs) {
  CsvTable<AlwaysCost> table(costs);
  using Row = AlwaysCost;
  table.text("layer", [](const Row& row) { return layers_text(row.set); });
  table.text("set", [](const Row& row) { return row.set.name; });
  table.text("kind", [](const Row& row) { return std::string(interventions::name_of(row.set.kind)); });
  table.text("experts", [](const Row& row) { return experts_text(row.set); });
  table.number("slot_share", [](const Row& row) { return row.set.slot_share; });
  table.figure("slots_moved", [](const Row& row) { return &row.slots_moved; });
  table.figure("mass_lost", [](const Row& row) { return &row.mass_lost; });
  table.number("mass_lost_p_random", [](const Row& row) { return row.p_random; });
  table.number("mass_lost_p_matched", [](const Row& row) { return row.p_matched; });
  return table.csv();
}

std::vector<std::string> always_sentences(const std::vector<AlwaysCost>& costs) {
  std::vector<std::string> text;
  for (size_t i = 0; i < costs.size(); ++i) {
    const AlwaysCost& cost = costs[i];
    if (cost.set.target >= 0) continue;
    std::string line = fmt::format(
        "{} (layer {}, experts {}) executed for every token moves {:.1f}% of the slots and loses {:.4f} of "
        "the routing mass",
        cost.set.name, layers_text(cost.set), experts_text(cost.set), 100 * *cost.slots_moved.value,
        *cost.mass_lost.value);
    for (const auto kind : {interventions::Kind::kMatched, interventions::Kind::kRandom}) {
      const auto& p = kind == interventions::Kind::kMatched ? cost.p_matched : cost.p_random;
      if (!p) continue;
      double sum = 0, count = 0;
      for (const AlwaysCost& other : costs) {
        if (other.set.target != static_cast<int>(i) || other.set.kind != kind) continue;
        sum += *other.mass_lost.value;
        ++count;
      }
      line += fmt::format("; {} {} sets lose {:.4f} (p = {:.3f} that one loses as little)", count,
                          interventions::name_of(kind), sum / count, *p);
    }
    text.push_back(line + ".");
  }
  return text;
}

std::string biases_json(const BalanceResult& result) {
  JsonWriter json(3);
  json.begin_object();
  json.key("layers");
  json.begin_array();
  for (const auto& layer : result.layers) {
    json.begin_object();
    json.member("layer", layer.layer);
    json.member("converged", layer.converged);
    json.member("worst_load", layer.worst_load_balanced);
    json.key("biases");
    json.begin_array();
    for (const float bias : layer.biases) json.value(static_cast<double>(bias));
    json.end_array();
    json.end_object();
  }
  json.end_array();
  json.end_object();
  return json.text() + "\n";
}

std::vector<std::string> balance_sentences(const BalanceResult& result) {
  const auto& layers = result.layers;
  std::vector<std::string> out = {loss_sentence(result)};
  const double lost = mean(layers, [](const auto& l) { return *l.mass_lost.value; });
  const double executed = mean(layers, [](const auto& l) { return l.executed_mass; });
  out.push_back(fmt::format(
      "Selection biases that hold every expert's load within {:.0f}% of uniform move {:.1f}% of the executed "
      "slots "
      "and lose {:.4f} of the routing mass ({:.1f}% of what is executed); before, the load was up to {:.0f}% "
      "off.",
      100 * result.options.tolerance, 100 * mean(layers, [](const auto& l) { return *l.slots_moved.value; }),
      lost, 100 * lost / executed, 100 * mean(layers, [](const auto& l) { return l.worst_load; })));
  for (const auto& layer : layers) {
    if (layer.converged) continue;
    out.push_back(
        fmt::format("Layer {} could not be balanced in {} passes: the load stays up to {:.1f}% off uniform "
                    "(tokens with equal "
                    "scores move together).",
                    layer.layer, layer.passes, 100 * layer.worst_load_balanced));
  }
  const double agrees = mean(layers, [](const auto& l) { return l.rule_agrees; });
  if (agrees < 0.9995) {
    out.push_back(
        fmt::format("The recorded sets are the top k of the recorded scores for {:.1f}% of the tokens: the "
                    "model's own groups, "
                    "biases or masks are not in the trace, and the balanced sets leave them out.",
                    100 * agrees));
  }
  if (result.model.router_score != "softmax") {
    out.push_back(
        "The router's scores are sigmoids, recorded over their sum: the biases are in units of these "
        "normalised scores, not of the model's own.");
  }
  return out;
}

}  // namespace committee::report
