#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/json_output.h"
#include "model/weights.h"
#include "tokenizer/readable.h"
#include "tokenizer/tokenizer.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using tokenizer::SpecialTokens;
using tokenizer::Tokenizer;

struct Flags {
  std::string model, text;
  fs::path file;
  bool no_special_tokens = false;
  TerminalFlags terminal;
};

using Ids = std::vector<int32_t>;

// Calls `take` with the ids of "text" of each line's object.
template <typename Take>
void tokenize_lines(const Tokenizer& tokenizer, const fs::path& path, SpecialTokens special, Take take) {
  const MappedFile file(path);
  std::string_view rest = file.text();
  for (int64_t line = 1; !rest.empty(); ++line) {
    const std::string_view record = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(record.size() + 1, rest.size()));
    if (record.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = fmt::format("{}:{}", path.string(), line);
    take(
        tokenizer.encode(required_field<std::string>(parse_json(record, where), "text", where), special).ids);
  }
}

void tokenize(const Flags& flags) {
  const fs::path model(flags.model);
  const auto tokenizer = Tokenizer::load(fs::is_regular_file(model) ? model : model::find_model(flags.model));
  const auto special = flags.no_special_tokens ? SpecialTokens::kNone : SpecialTokens::kAdd;
  OrderedJson texts = OrderedJson::array();
  const auto take = [&](const Ids& ids) {
    if (!flags.terminal.json) {
      fmt::print("[{}]\n", fmt::join(ids, ","));
      return;
    }
    auto tokens = OrderedJson::array();
    for (const auto id : ids) tokens.push_back(tokenizer::readable(tokenizer.token_text(id)));
    texts.push_back({{"ids", ids}, {"tokens", std::move(tokens)}});
  };
  if (flags.file.empty()) {
    take(tokenizer.encode(flags.text, special).ids);
  } else {
    tokenize_lines(tokenizer, flags.file, special, take);
  }
  if (!flags.terminal.json) return;
  OrderedJson document = json_head("tokenize");
  document["texts"] = std::move(texts);
  print_json(document);
}

}  // namespace

void add_tokenize(CLI::App& app, Job& job) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("tokenize", "Print the token ids of texts, a JSON array a line");
  command->add_option("MODEL", flags->model, "Folder with a tokenizer.json, or the file")->required();
  auto* input = command->add_option_group("input")->require_option(1);
  input->add_option("--text", flags->text, "The text");
  input->add_option("--file", flags->file, "JSONL whose objects have a \"text\"")->type_name("JSONL");
  command->add_flag("--no-special-tokens", flags->no_special_tokens,
                    "Leave out what the tokenizer adds itself");
  add_json_flag(*command, flags->terminal);
  command->callback([flags, &job] { job = [flags] { tokenize(*flags); }; });
}

}  // namespace committee::cli
