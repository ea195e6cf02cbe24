// Rows about memory: the real program under the kernel's limit.
#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "memory_group.h"
#include "passes.h"
#include "rows.h"

namespace committee::bench {
namespace {

namespace fs = std::filesystem;

fs::path write_prompts(const Setting& setting, const PassOptions& options, int vocab) {
  const fs::path path = setting.models / "prompts.jsonl";
  std::ofstream file(path);
  for (const engine::Sequence& prompt : random_prompts(options, vocab))
    file
        << Json{{"id", std::to_string(prompt.sample)}, {"domain", "random"}, {"tokens", prompt.tokens}}.dump()
        << '\n';
  return path;
}

std::vector<std::string> capture(const Setting& setting, const fs::path& model, const fs::path& data,
                                 const std::vector<std::string>& more) {
  if (setting.binary.empty()) throw Error("needs --binary");
  std::vector<std::string> command = {setting.binary.string(),
                                      "capture",
                                      model.string(),
                                      "--data",
                                      data.string(),
                                      "--threads",
                                      std::to_string(setting.threads),
                                      "-o",
                                      (setting.models / "trace").string(),
                                      "--overwrite",
                                      "--quiet"};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

constexpr double kMegabyte = 1 << 20;

}  // namespace

void streaming_row(const Setting& setting) {
  PassOptions options;
  options.models = setting.models;
  options.layers = 16;
  options.tokens = 4096;
  options.prompts = 32;
  const fs::path folder = checkpoint_of(options), weights = folder / "model.safetensors";
  const size_t bytes = fs::file_size(weights), limit = bytes / 3;
  const fs::path data = write_prompts(setting, options, model::Model::open(folder).config().vocab);
  const auto command = [&](const std::string& memory) {
    std::vector<std::string> more = {"--positions", "all", "--record", "full"};
    if (!memory.empty()) more.insert(more.end(), {"--memory", memory});
    return capture(setting, folder, data, more);
  };
  run_limited(command(""), 0);  // reads the weights
  const Used whole = run_limited(command(""), 0);
  drop_cache(weights);
  const Used part = run_limited(command(std::to_string(limit)), limit);
  const double read = static_cast<double>(part.read) / static_cast<double>(bytes),
               speed = whole.seconds / part.seconds;
  print_row(
      "streaming",
      fmt::format(
          "{:.0f} MB model, {:.0f} MB allowed, {} tokens: {:.3f} of the model read, {:.2f} of the speed "
          "in memory ({:.1f} and {:.1f} s), {:.0f} MB resident and {:.0f} MB charged at most",
          bytes / kMegabyte, limit / kMegabyte, options.tokens, read, speed, whole.seconds, part.seconds,
          part.resident / kMegabyte, part.charged / kMegabyte),
      "<= 1.05 read, >= 0.8 speed, <= limit",
      read <= 1.05 && speed >= 0.8 && part.resident <= limit && part.charged <= limit);
}

void many_prompts_row(const Setting& setting) {
  if (setting.mmlu.empty()) throw Error("needs --mmlu");
  for (const size_t megabytes : {512, 1024}) {
    const Used used = run_limited(capture(setting, setting.small_model, setting.mmlu,
                                          {"--shots", "5", "--memory", std::to_string(megabytes) + "M"}),
                                  megabytes << 20);
    print_row("prompts",
              fmt::format("5-shot MMLU, all prompts, {}: {:.0f} MB resident of {} MB allowed, {:.1f} s",
                          setting.small_model.string(), used.resident / kMegabyte, megabytes, used.seconds),
              "<= limit", used.resident <= megabytes << 20);
  }
}

}  // namespace committee::bench
