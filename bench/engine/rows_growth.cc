// How a pass grows with tokens, prompts and layers.
#include "base/error.h"
#include "passes.h"
#include "rows.h"

namespace committee::bench {
namespace {

void print_growth(const char* what, int value, const PassResult& r) {
  double sum = 0, attention = 0;
  for (const auto& [name, part] : r.work.seconds) {
    sum += part;
    if (name == "attention") attention = part;
  }
  print_line(fmt::format(
      "{:6} {:7}: {:8.3f} s, {:6.0f} tokens/s, {:.3f} of the roofline ({:.3f} by processor "
      "time), attention {:4.1f}%",
      value, what, r.took.clock, r.tokens_per_second(), r.share, r.processor_share, 100 * attention / sum));
}

}  // namespace

void growth_row(const Setting& setting, const std::string& what) {
  PassOptions options;
  options.models = setting.models;
  options.threads = setting.threads;
  options.repeat = 1;
  if (what == "tokens") {
    for (options.tokens = 512; options.tokens <= 65536; options.tokens *= 2) {
      options.prompts = options.tokens / 128;
      options.repeat = options.tokens <= 4096 ? setting.repeat : options.tokens <= 16384 ? 1 : 0;
      print_growth("tokens", options.tokens, run_pass(options));
    }
  } else if (what == "prompts") {
    options.tokens = 8192;
    for (options.prompts = 1; options.prompts <= 4096; options.prompts *= 4)
      print_growth("prompts", options.prompts, run_pass(options));
  } else if (what == "layers") {
    options.repeat = 1;
    for (options.layers = 1; options.layers <= 16; options.layers *= 2)
      print_growth("layers", options.layers, run_pass(options));
  } else {
    throw Error("{} is not tokens, prompts or layers", what);
  }
}

}  // namespace committee::bench
