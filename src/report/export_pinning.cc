#include <fmt/format.h>

#include <algorithm>

#include "report/export_files.h"
#include "report/json_writer.h"
#include "report/terminal_table.h"

namespace committee::report {

namespace {

using audit::HitRate;
using audit::PinResult;
using audit::PlanRates;

int64_t kept_experts(const PinResult& plan) {
  int64_t count = 0;
  for (const auto& layer : plan.kept) count += std::ssize(layer);
  return count;
}

void write_rate(JsonWriter& out, const char* name, const HitRate& rate) {
  out.key(name);
  out.begin_object();
  out.member("value", rate.value);
  out.member("low", rate.interval ? std::optional(rate.interval->low) : std::nullopt);
  out.member("high", rate.interval ? std::optional(rate.interval->high) : std::nullopt);
  out.end_object();
}

void write_plan(JsonWriter& out, const PlanRates& plan) {
  out.begin_object();
  out.member("plan", plan.name);
  write_rate(out, "held_out_samples", plan.samples);
  write_rate(out, "held_out_domains", plan.domains);
  write_rate(out, "gain_samples", plan.less_samples);
  write_rate(out, "gain_domains", plan.less_domains);
  out.end_object();
}

void write_layers(JsonWriter& out, const PinResult& plan, const audit::AuditResult& audit) {
  out.key("layers");
  out.begin_array();
  for (size_t l = 0; l < plan.kept.size(); ++l) {
    std::vector<int> members;
    for (const int id : plan.kept[l]) {
      const auto& committee = audit.layers[l].committee;
      if (std::find(committee.begin(), committee.end(), id) != committee.end()) members.push_back(id);
    }
    out.begin_object();
    out.member("layer", audit.layers[l].layer);
    out.member("experts", plan.kept[l]);
    out.member("committee", members);
    out.member("hit_rate", plan.layer_rates[l]);
    out.end_object();
  }
  out.end_array();
}

std::string rate_text(const HitRate& rate) {
  if (!rate.value) return "–";
  if (!rate.interval) return percent(rate.value);
  return fmt::format("{} ({:.1f}–{:.1f})", percent(rate.value), rate.interval->low * 100,
                     rate.interval->high * 100);
}

const char* meaning(const std::string& plan) {
  return plan == "global"        ? "most executed of all layers"
         : plan == "equal_split" ? "most executed, as many a layer"
         : plan == "frequency"   ? "most counts, large domains weigh more"
         : plan == "committee"   ? "committees, then cores, then the rest"
         : plan == "per_domain"  ? "a set for each domain (left out: another's)"
                                 : "drawn at random";
}

}  // namespace

std::string pinning_json(const PinResult& plan, const audit::AuditResult& audit,
                         const PinningContext& context) {
  constexpr int kLineDepth = 2;
  const auto given = [](uint64_t bytes) { return bytes > 0 ? std::optional(bytes) : std::nullopt; };
  JsonWriter out(kLineDepth);
  out.begin_object();
  out.head("committee-audit pinning", context.command);
  out.member("format_version", 1);
  out.member("trace", context.trace);
  out.member("model", audit.model.name);
  out.member("fingerprint", audit.model.fingerprint);
  out.member("positions", audit.positions);
  out.member("plan", audit::name_of(plan.options.plan));
  out.member("experts", kept_experts(plan));
  out.member("of", static_cast<int64_t>(plan.kept.size()) * audit.model.experts);
  out.member("expert_bytes", given(context.expert_bytes));
  out.member("bytes", given(context.expert_bytes * static_cast<uint64_t>(kept_experts(plan))));
  out.member("budget_bytes", given(context.budget_bytes));
  out.member("hit_rate", plan.rate);
  write_layers(out, plan, audit);
  out.key("plans");
  out.begin_array();
  for (const auto& rates : plan.plans) write_plan(out, rates);
  out.end_array();
  out.key("domains");
  out.begin_array();
  for (const auto& domain : plan.domains) {
    out.begin_object();
    out.member("domain", domain.name);
    out.member("held_out_samples", domain.samples);
    out.member("held_out_domain", domain.left_out);
    out.end_object();
  }
  out.end_array();
  out.member("samples", plan.samples);
  out.member("folds", plan.options.folds);
  out.member("bootstrap", audit.options.bootstrap);
  out.member("random_sets", plan.options.random_sets);
  out.member("seed", audit.options.seed);
  out.end_object();
  return out.text() + "\n";
}

std::string pinning_text(const PinResult& plan, const audit::AuditResult& audit,
                         const PinningContext& context, const TerminalStyle& style) {
  const int64_t kept = kept_experts(plan), all = static_cast<int64_t>(plan.kept.size()) * audit.model.experts;
  std::string text = fmt::format("{} of {} experts kept", kept, all);
  if (context.expert_bytes > 0) {
    text += fmt::format(", {} bytes", grouped_digits(static_cast<int64_t>(context.expert_bytes) * kept));
  }
  text += fmt::format(": {} of the executed slots on these samples; held out (95%):\n", percent(plan.rate));
  TerminalTable table(
      {{"plan", Align::kLeft}, {"held-out samples"}, {"held-out domains"}, {"", Align::kLeft}});
  for (const auto& rates : plan.plans) {
    table.row(
        {rates.name, rate_text(rates.samples), rate_text(rates.domains), {meaning(rates.name), Ink::kDim}});
  }
  return text + table.text(style);
}

}  // namespace committee::report
