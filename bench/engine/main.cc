// bench_engine: the engine's table of targets, each row beside the rate of large oneDNN products in the same
// run; or one pass of a full-size random checkpoint.
#include <CLI/CLI.hpp>
#include <functional>
#include <map>

#include "base/error.h"
#include "passes.h"
#include "rows.h"

using namespace committee;
using namespace committee::bench;

namespace {

const std::map<std::string, std::function<void(const Setting&)>>& rows() {
  static const std::map<std::string, std::function<void(const Setting&)>> all = {
      {"olmoe", [](const Setting& s) { speed_row(s, "olmoe"); }},
      {"qwen3", [](const Setting& s) { speed_row(s, "qwen3"); }},
      {"deepseek", [](const Setting& s) { speed_row(s, "deepseek"); }},
      {"float32", float32_row},
      {"experts", experts_row},
      {"recording", recording_row},
      {"shared-rows", shared_rows_row},
      {"sharing", sharing_row},
      {"streaming", streaming_row},
      {"prompts", many_prompts_row},
      {"start-up", startup_row},
      {"threads", threads_row},
      {"attention", attention_row},
      {"equal", equal_row},
      {"growth-tokens", [](const Setting& s) { growth_row(s, "tokens"); }},
      {"growth-prompts", [](const Setting& s) { growth_row(s, "prompts"); }},
      {"growth-layers", [](const Setting& s) { growth_row(s, "layers"); }},
  };
  return all;
}

void print_pass(const PassOptions& o) {
  const PassResult r = run_pass(o);
  fmt::print("{} {} layers, {} tokens in {} prompts, {} rows in {} chunks, {} threads, {}\n", o.shape,
             o.layers, r.work.tokens, o.prompts, r.work.rows, r.work.chunks, o.threads, o.compute);
  fmt::print(
      "  {:.3f} s, {:.0f} tokens/s, {:.3f} of {:.0f} GFLOP/s; processor {:.3f} s, {:.3f}; opened in {:.3f} "
      "s\n",
      r.took.clock, r.tokens_per_second(), r.share, r.roofline, r.took.processor, r.processor_share,
      r.opened);
  for (const auto& [name, part] : r.work.seconds) fmt::print("  {:17} {:7.1f} ms\n", name, part * 1e3);
}

void add_pass(CLI::App& app, PassOptions& o) {
  app.add_option("--shape", o.shape, "olmoe, qwen3 or deepseek")->capture_default_str();
  app.add_option("--layers", o.layers)->capture_default_str();
  app.add_option("--tokens", o.tokens, "of all prompts")->capture_default_str();
  app.add_option("--prompts", o.prompts)->capture_default_str();
  app.add_option("--shared", o.shared, "tokens that all prompts begin with")->capture_default_str();
  app.add_option("--positions", o.positions)->check(CLI::IsMember({"all", "last"}))->capture_default_str();
  app.add_flag("--scores", o.scores, "next-token distributions too");
  app.add_option("--compute", o.compute)->check(CLI::IsMember({"bf16", "f32"}))->capture_default_str();
  app.add_option("--memory", o.memory_mb, "MB; 0: what there is")->capture_default_str();
}

}  // namespace

int main(int argc, char** argv) {
  Setting setting;
  PassOptions pass;
  std::vector<std::string> names;
  CLI::App app("The engine on full-size random checkpoints");
  app.require_subcommand(1);
  app.add_option("--models", setting.models, "folder that the checkpoints lie in or are written to")
      ->required();
  app.add_option("--threads", setting.threads)->capture_default_str();
  app.add_option("--repeat", setting.repeat, "passes that medians are taken of")->capture_default_str();
  app.add_option("--mmlu", setting.mmlu, "MMLU's folder");
  app.add_option("--tokenizer", setting.tokenizer, "folder with OLMoE's tokenizer.json");
  app.add_option("--binary", setting.binary, "committee-audit");
  app.add_option("--small-model", setting.small_model, "a checkpoint that all of MMLU can be read with")
      ->default_val("demo/model");
  app.add_option("--subject", setting.subject, "of MMLU, for the row `sharing`")->capture_default_str();
  CLI::App* table = app.add_subcommand("rows", "Rows of the table of targets");
  std::vector<std::string> known;
  for (const auto& [name, row] : rows()) known.push_back(name);
  table->add_option("NAME", names)->required()->check(CLI::IsMember(known));
  CLI::App* one = app.add_subcommand("pass", "One pass");
  add_pass(*one, pass);
  CLI11_PARSE(app, argc, argv);
  try {
    std::filesystem::create_directories(setting.models);
    for (const std::string& name : names) rows().at(name)(setting);
    if (*one) {
      pass.models = setting.models;
      pass.threads = setting.threads;
      pass.repeat = setting.repeat;
      print_pass(pass);
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
