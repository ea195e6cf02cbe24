#include "cli/until_stable.h"

#include "audit/audit.h"
#include "audit/verdict.h"
#include "base/error.h"
#include "cli/audit.h"
#include "cli/progress.h"

namespace committee::cli {
namespace {

// How far the committees of the first `samples` samples stand still.
audit::Stability stability_after(const AdaptiveRun& run, int64_t samples) {
  const auto trace = trace::Trace::open_begun(run.trace, samples);
  AuditFlags flags;
  flags.statistics = run.flags.statistics;
  flags.positions = run.flags.positions;
  flags.machine = run.machine;
  flags.seed = run.seed;
  audit::AuditOptions options = audit_options(flags, trace);
  options.permutations = options.expert_shuffles = options.silhouette_replicates = 0;
  return audit::stability_of(audit::audit(trace, options));
}

}  // namespace

void add_adaptive_flags(CLI::App& app, AdaptiveFlags& flags) {
  auto* until =
      app.add_flag("--until-stable", flags.until_stable,
                   "Read domain-balanced rounds of prompts until bootstrap committees agree in 95% of "
                   "the layers");
  app.add_option("--round", flags.round, "Prompts a domain in a round of --until-stable (10)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->needs(until);
}

void check_adaptive(const AdaptiveFlags& flags, const RecordingFlags& recording) {
  if (!flags.until_stable) return;
  if (flags.statistics.bootstrap < 2)
    throw Error("--until-stable needs a --bootstrap of 2 replicates at least");
  if (flags.statistics.eci == "reference") {
    throw Error("--until-stable does not go with --eci reference: the authors' script has no bootstrap");
  }
  if (flags.statistics.eci == "routing" && recording.record == "topk") {
    throw Error("--until-stable with --record topk needs --eci executed or frequency");
  }
}

std::string describe(const AdaptiveFlags& flags) {
  const StatisticsFlags& s = flags.statistics;
  std::string text =
      fmt::format("rounds of {}, eci {}, gamma {}, bootstrap {}", flags.round, s.eci, s.gamma, s.bootstrap);
  if (s.k) text += fmt::format(", k {}", *s.k);
  if (!s.fallback.empty()) text += ", fallback " + s.fallback;
  if (s.min_specificity) text += fmt::format(", min-specificity {}", *s.min_specificity);
  if (!flags.positions.empty()) text += ", positions " + flags.positions;
  return text;
}

void record_until_stable(const AdaptiveRun& run, trace::TraceWriter& writer,
                         const std::function<void(int64_t end)>& record) {
  if (writer.is_complete()) return;
  std::vector<trace::StabilityPoint> curve;
  bool enough = false;
  for (const int64_t end : run.rounds) {
    record(end);
    writer.flush();
    const audit::Stability stability = stability_after(run, end);
    curve.push_back({end, stability.stable_layers, stability.agreement});
    say(run.terminal,
        fmt::format("{} prompts: bootstrap committees agree in {:.1f}% of the layers (mean {:.3f})", end,
                    100 * stability.stable_layers, stability.agreement));
    if (enough = stability.enough; enough) break;
  }
  say(run.terminal,
      enough
          ? fmt::format("stable after {} prompts in {} rounds", curve.back().samples, curve.size())
          : fmt::format("warning: the committees are not stable after all {} prompts", curve.back().samples));
  writer.set_stability(std::move(curve));
}

}  // namespace committee::cli
