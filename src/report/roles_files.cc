#include "report/roles_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "report/csv_table.h"
#include "report/json_writer.h"
#include "report/text.h"

namespace committee::report {
namespace {

using audit::Figure;
using roles::Cell;
using roles::CellKind;
using roles::ExpertTokens;
using roles::LayerInformation;
using roles::MatchedTest;
using roles::RolesResult;
using roles::ServedToken;

using Number = std::optional<double>;

template <typename Member>
auto number(Member member) {
  return [member](const auto& row) { return Number(row.*member); };
}
template <typename Row>
auto figure(Figure Row::*member) {
  return [member](const Row& row) { return &(row.*member); };
}

std::string served_csv(const RolesResult& result) {
  CsvTable<ServedToken> table(result.tokens);
  table.number("layer", number(&ServedToken::layer));
  table.number("expert", number(&ServedToken::expert));
  table.text("token", [&](const ServedToken& row) {
    return result.options.text ? result.options.text(row.token) : fmt::format("{}", row.token);
  });
  table.number("count", number(&ServedToken::count));
  table.number("share", number(&ServedToken::share));
  table.number("domains", number(&ServedToken::domains));
  table.text("role", [&](const ServedToken& row) { return result.classes[row.token_class]; });
  table.number("marked", number(&ServedToken::marked));
  table.number("token_id", number(&ServedToken::token));
  table.number("occurrences", number(&ServedToken::occurrences));
  table.number("document_frequency", number(&ServedToken::document_frequency));
  return table.csv();
}

std::string experts_csv(const RolesResult& result) {
  CsvTable<ExpertTokens> table(result.experts);
  table.number("layer", number(&ExpertTokens::layer));
  table.number("expert", number(&ExpertTokens::expert));
  table.number("in_committee", number(&ExpertTokens::in_set));
  table.number("frequency", number(&ExpertTokens::frequency));
  table.number("entropy", number(&ExpertTokens::entropy));
  table.figure("information", figure(&ExpertTokens::information));
  table.number("uncertainty", number(&ExpertTokens::uncertainty));
  table.number("p_value", number(&ExpertTokens::p_value));
  table.number("q_value", number(&ExpertTokens::q_value));
  table.figure("marked", figure(&ExpertTokens::marked));
  return table.csv();
}

std::string enrichment_csv(const RolesResult& result) {
  CsvTable<Cell> table(result.cells);
  table.number("layer", number(&Cell::layer));
  table.number("expert", number(&Cell::expert));
  table.number("in_committee", number(&Cell::in_set));
  table.text("class", [&](const Cell& row) {
    return row.kind == CellKind::kDomain ? result.domains[row.group].name : result.classes[row.group];
  });
  table.number("log_odds", number(&Cell::log_odds));
  table.number("q_value", number(&Cell::q_value));
  table.number("p_value", number(&Cell::p_value));
  table.number("slots", number(&Cell::slots));
  table.text("kind",
             [](const Cell& row) { return row.kind == CellKind::kDomain ? "domain" : "token_class"; });
  return table.csv();
}

std::string information_csv(const RolesResult& result) {
  CsvTable<LayerInformation> table(result.information);
  table.number("layer", number(&LayerInformation::layer));
  table.text("committee",
             [](const LayerInformation& row) { return fmt::format("{}", fmt::join(row.set, " ")); });
  table.number("share_of_slots", number(&LayerInformation::share_of_slots));
  table.figure("information", figure(&LayerInformation::total));
  table.figure("inside", figure(&LayerInformation::inside));
  table.figure("outside", figure(&LayerInformation::outside));
  table.figure("inside_per_slot", figure(&LayerInformation::inside_per_slot));
  table.figure("outside_per_slot", figure(&LayerInformation::outside_per_slot));
  table.figure("difference", figure(&LayerInformation::difference));
  return table.csv();
}

std::string matched_csv(const RolesResult& result) {
  CsvTable<MatchedTest> table(result.matched);
  table.text("figure", [](const MatchedTest& row) { return row.figure; });
  table.number("layers", number(&MatchedTest::layers));
  table.number("members", number(&MatchedTest::members));
  table.number("matched", number(&MatchedTest::matched));
  table.number("p_value", number(&MatchedTest::p_value));
  return table.csv();
}

std::string p_text(const std::optional<double>& p) {
  return p ? *p < 0.001 ? "p < 0.001" : fmt::format("p = {:.3f}", *p) : "p undefined";
}

bool is_significant(const std::optional<double>& p) { return p && *p <= 0.05; }

void token_sentences(const RolesResult& result, std::vector<std::string>& out) {
  const std::string& set = result.options.set_name;
  int64_t members = 0, marked = 0;
  double shuffled = 0, bits = 0, shuffled_bits = 0;
  bool has_shuffles = false;
  for (const auto& expert : result.experts) {
    if (!expert.in_set) continue;
    ++members;
    marked += static_cast<int64_t>(*expert.marked.value);
    bits += *expert.information.value;
    if (!expert.marked.permuted || !expert.information.permuted) continue;
    has_shuffles = true;
    shuffled += expert.marked.permuted->mean;
    shuffled_bits += expert.information.permuted->mean;
  }
  if (members == 0) {
    out.push_back(fmt::format("No layer has a {}, so no expert's tokens are listed.", set));
    return;
  }
  const auto n = static_cast<double>(members);
  out.push_back(fmt::format(
      "The rule marks {} cells of token and {} expert ({} a member){}.", marked, set,
      fmt::format("{:.1f}", static_cast<double>(marked) / n),
      has_shuffles ? fmt::format("; with the tokens of each sample shuffled it marks {:.1f}", shuffled)
                   : ""));
  if (has_shuffles) {
    out.push_back(fmt::format(
        "Knowing the token gives {:.4f} bits about whether a {} expert runs, {:.4f} with the tokens of each "
        "sample shuffled.",
        bits / n, set, shuffled_bits / n));
  }
  for (const MatchedTest& test : result.matched) {
    if (test.figure == "frequency" || test.layers == 0) continue;
    const bool classes = test.figure.starts_with("log_odds ");
    const std::string what = classes ? fmt::format("log odds of {} tokens", test.figure.substr(9))
                             : test.figure == "uncertainty"
                                 ? "share of the member's entropy that its tokens explain"
                                 : "tokens marked beyond the shuffle";
    const char* verdict = !is_significant(test.p_value) ? "no difference is shown"
                          : test.members > test.matched ? "more in the set"
                                                        : "less in the set";
    out.push_back(
        fmt::format("Against non-members of the closest frequency ({:.1f}% of the tokens, members "
                    "{:.1f}%), {}: {:.3f} in the {}, {:.3f} outside, over {} ({}): {}.",
                    100 * result.matched_frequency, 100 * result.member_frequency, what, test.members, set,
                    test.matched, counted(test.layers, "layer"), p_text(test.p_value), verdict));
  }
}

void domain_sentences(const RolesResult& result, std::vector<std::string>& out) {
  const std::string& set = result.options.set_name;
  double inside = 0, outside = 0, inside_chance = 0, outside_chance = 0;
  int layers = 0, more = 0, less = 0;
  for (const auto& layer : result.information) {
    const auto &in = layer.inside_per_slot, &off = layer.outside_per_slot;
    if (!in.permuted || !off.permuted || !layer.difference.permuted) continue;
    ++layers;
    inside += *in.value;
    outside += *off.value;
    inside_chance += in.permuted->mean;
    outside_chance += off.permuted->mean;
    if (!is_significant(layer.difference.permuted->p_value)) continue;
    (*layer.difference.value > layer.difference.permuted->mean ? more : less)++;
  }
  if (layers > 0) {
    out.push_back(fmt::format(
        "A slot outside the {} tells {:.4f} bits about the domain ({:.4f} with the labels shuffled), one "
        "inside "
        "{:.4f} ({:.4f}); beyond the shuffle the outside tells more in {} and less in {} of {} (p ≤ 0.05).",
        set, outside / layers, outside_chance / layers, inside / layers, inside_chance / layers, more, less,
        counted(layers, "layer")));
  }
  const auto& domains = result.domain_discoveries;
  if (domains.permuted_mean) {
    out.push_back(fmt::format(
        "{} of {} cells of expert and domain differ from the layer's other experts (q ≤ "
        "0.05), {} of them of the {}; with the domain labels shuffled {:.2f} do, at most {}.",
        domains.found, domains.cells, domains.in_set, set, *domains.permuted_mean, *domains.permuted_most));
  }
  const auto& classes = result.class_discoveries;
  if (classes.cells > 0) {
    out.push_back(fmt::format("{} of {} cells of expert and token class do, {} of them of the {}.",
                              classes.found, classes.cells, classes.in_set, set));
  }
}

}  // namespace

std::vector<CsvFile> roles_csv(const RolesResult& result) {
  return {{"roles.csv", served_csv(result)},
          {"token_information.csv", experts_csv(result)},
          {"enrichment.csv", enrichment_csv(result)},
          {"information.csv", information_csv(result)},
          {"matched.csv", matched_csv(result)}};
}

std::vector<std::string> roles_sentences(const RolesResult& result) {
  std::vector<std::string> out;
  if (result.known_rows == 0) {
    out.push_back("The trace does not say which tokens its rows are: domains only.");
  } else {
    token_sentences(result, out);
  }
  domain_sentences(result, out);
  return out;
}

std::string context_json(const ReportContext& context, const std::vector<std::string>& sentences) {
  JsonWriter json(2);
  json.begin_object();
  json.head(context.format, context.command);
  json.key("options");
  json.begin_object();
  for (const auto& [name, value] : context.options) json.member(name, value);
  json.end_object();
  json.key("model");
  json.begin_object();
  json.member("name", context.model.name);
  json.member("fingerprint", context.model.fingerprint);
  json.end_object();
  json.member("sentences", sentences);
  json.end_object();
  return json.text() + "\n";
}

}  // namespace committee::report
