// golden_check FOLDER [--bf16] [--threads N]: every model under FOLDER (goldens/models), all variants and the
// generated tokens; exits 1 where float32 is out of tolerance.
#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <set>

#include "golden.h"

using namespace committee;
using namespace committee::engine;

namespace {

void print(const std::string& model, const std::string& variant, const Difference& d) {
  fmt::print(
      "{:26} {:11} probs {:.1e}  weights {:.1e}  logits {:.1e}  logprobs {:.1e}  unequal sets {} of {}  "
      "tokens {}\n",
      model, variant, d.probs, d.weights, d.logits, d.logprobs, d.unequal_sets, d.cells, d.unequal_tokens);
  std::fflush(stdout);
}

bool check_model(const std::filesystem::path& folder, const EngineOptions& options) {
  const Golden golden(folder);
  Engine engine(golden.checkpoint, options);
  const std::string name = folder.filename().string();
  bool good = true;
  const std::vector<Difference> differences = check_prefill(golden, engine);
  for (size_t v = 0; v < differences.size(); ++v) {
    print(name, golden.variants()[v], differences[v]);
    good = good && differences[v].within_tolerance();
  }
  const Difference generated = check_generation(golden, engine);
  print(name, "generated", generated);
  return good && generated.within_tolerance();
}

}  // namespace

int main(int argc, char** argv) {
  EngineOptions options;
  std::set<std::filesystem::path> folders;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--bf16")) {
      options.compute = Compute::kBF16;
    } else if (!std::strcmp(argv[i], "--threads") && i + 1 < argc) {
      options.threads = std::atoi(argv[++i]);
    } else {
      for (const auto& entry : std::filesystem::directory_iterator(argv[i])) folders.insert(entry.path());
    }
  }
  bool good = !folders.empty();
  for (const std::filesystem::path& folder : folders) {
    try {
      good = check_model(folder, options) && good;
    } catch (const std::exception& error) {
      fmt::print("{}: {}\n", folder.filename().string(), error.what());
      good = false;
    }
  }
  fmt::print("{}\n", good ? "all within tolerance" : "NOT within tolerance");
  return good || options.compute == Compute::kBF16 ? 0 : 1;
}
