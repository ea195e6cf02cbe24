#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "audit/pinning.h"
#include "audit/result.h"
#include "report/terminal.h"

// Files that serving systems read, as text or bytes. Counts are executed slots [L, E] of the MoE layers.
namespace committee::report {

struct ExpertCounts {
  std::vector<int> layers;  // the checkpoint's ids, ascending
  int experts = 0, k = 0;
  std::vector<double> counts;  // [L, E]
};

// DeepSeek's EPLB, rebalance_experts(weight): MoE layers only. {"weight": [L][E], "layers": ids}, or the
// array alone in numpy's format (1.0, <f8, C order).
std::string eplb_json(const ExpertCounts& counts);
std::string eplb_npy(const ExpertCounts& counts);

// SGLang, --init-expert-location: rows for all of the model's `model_layers` layers, dense ones too (no
// counts; in a map the experts in turn). {"logical_count"} is balanced by SGLang when it starts. The map must
// be the only member of its file. `slots` physical experts on `devices`.
std::string sglang_counts_json(const ExpertCounts& counts, int model_layers);
std::string sglang_map_json(const ExpertCounts& counts, int model_layers, int slots, int devices);

// TensorRT-LLM, the folder that EXPERT_STATISTIC_PATH names: meta_info.json, and rank0.safetensors with int64
// [E] under "ITERATION_LAYER": one iteration, 0, and the checkpoint's layer ids.
std::string tensorrt_meta_json(const ExpertCounts& counts);
std::string tensorrt_safetensors(const ExpertCounts& counts);

// The long layout of the authors' tables: each domain's top k by rank.
std::string authors_csv(const audit::AuditResult& result);

// What a pinning plan says of its making beside the plan.
struct PinningContext {
  std::string command, trace;
  uint64_t expert_bytes = 0, budget_bytes = 0;  // 0: not given
};
std::string pinning_json(const audit::PinResult& plan, const audit::AuditResult& audit,
                         const PinningContext& context);
// The same for people: hit rates of every plan.
std::string pinning_text(const audit::PinResult& plan, const audit::AuditResult& audit,
                         const PinningContext& context, const TerminalStyle& style);

}  // namespace committee::report
