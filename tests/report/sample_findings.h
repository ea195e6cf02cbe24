#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "report/findings.h"

// What mask, sweep, roles and balance leave, made up.
namespace committee::report {

inline std::string sample_masking_csv() {
  std::string csv =
      "layer,set,kind,experts,correct,wrong,no_answer,letter_accuracy,answer_logprob,kl,letter_accuracy_low,"
      "letter_accuracy_high\n";
  const auto row = [&](int layer, const std::string& set, const char* kind, double harm) {
    csv += fmt::format("{},{},{},4 7,{},{},{},{},{},{},{},{}\n", layer, set, kind, 0.5 - harm, 0.4,
                       0.1 + harm, 0.55 - harm, -1 - 4 * harm, 2 * harm, 0.5 - harm, 0.6 - harm);
  };
  for (const int layer : {1, 2, 3}) {
    row(layer, "none", "none", 0);
    row(layer, "committee", "committee", 0.1 * layer);
    for (int i = 0; i < 5; ++i) {
      row(layer, fmt::format("random-{}", i), "random", 0.01 * i);
      row(layer, fmt::format("matched-{}", i), "matched", 0.02 * i * layer);
    }
  }
  return csv;
}

inline std::vector<Findings> sample_findings() {
  std::string sweep = "k,mode,layer,size,committee,coverage_topk,ratio_topk,retention,retention_floor\n";
  for (const char* mode : {"rerank", "rerun"}) {
    for (const int k : {4, 6, 8}) sweep += fmt::format("{},{},1,2,4 7,0.5,3,{},0.1\n", k, mode, 1.0 / k);
  }
  std::string roles = "layer,expert,token,count,share,domains,role\n",
              enrichment = "layer,expert,in_committee,class,log_odds,q_value\n";
  const std::vector<std::string> tokens = {"␣the", "␣of", "Which", "\"<b>,\"", "7"};
  for (size_t t = 0; t < tokens.size(); ++t) {
    roles += fmt::format("1,4,{},{},{},3,{}\n", tokens[t], 100 - t, 0.9 - 0.1 * static_cast<double>(t),
                         t == 2 ? "reasoning" : "structural");
    enrichment += fmt::format("1,{0},{1},domain {0},{2},0.01\n", t, t % 2, static_cast<double>(t) - 2);
  }
  const std::string balance =
      "layer,balance_loss,balance_loss_floor,balance_loss_within_domain,slots_moved,mass_lost\n1,1.5,1,1.8,0."
      "2,0.05\n"
      "2,1.2,1,1.4,0.1,0.02\n";
  const auto findings = [](const char* kind, std::vector<CsvFile> tables) {
    return Findings{kind,
                    "tiny",
                    "",
                    fmt::format("committee-audit {} model", kind),
                    {"A sentence of it."},
                    std::move(tables),
                    {}};
  };
  return {findings("mask", {{"masking.csv", sample_masking_csv()}}),
          findings("sweep", {{"sweep.csv", sweep}}),
          findings("roles", {{"roles.csv", roles}, {"enrichment.csv", enrichment}}),
          findings("balance", {{"balance.csv", balance}})};
}

}  // namespace committee::report
