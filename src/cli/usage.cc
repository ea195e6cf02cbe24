#include "cli/usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/nearest.h"
#include "cli/flag_table.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;

std::string meant(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string like = nearest(word, candidates);
  return like.empty() ? "" : fmt::format("; did you mean {}?", like);
}

// The first flag that `app` does not know, or "".
std::string unknown_flag(const CLI::App& app) {
  for (const std::string& word : app.remaining()) {
    if (word.size() > 1 && word.front() == '-') return word.substr(0, word.find('='));
  }
  return "";
}

std::string flag_sentence(const CLI::App& app, const std::string& flag) {
  std::vector<std::string> known;
  for (const auto& entry : command_entry(app).flags) {
    if (!entry.argument) known.insert(known.end(), entry.names.begin(), entry.names.end());
  }
  return fmt::format("there is no flag {}{}", flag, meant(flag, known));
}

std::string command_sentence(const CLI::App& app, const std::vector<std::string>& words) {
  const auto word =
      std::find_if(words.begin(), words.end(), [](const std::string& w) { return w[0] != '-'; });
  if (word == words.end()) return "a command is missing";
  std::vector<std::string> known;
  for (const auto& command : command_table(app)) known.push_back(command.name);
  return fmt::format("there is no command {}{}", *word, meant(*word, known));
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(folder.empty() ? "." : folder, unreadable)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string usage_message(CLI::App& app, const CLI::ParseError& problem,
                          const std::vector<std::string>& words) {
  const auto chosen = app.get_subcommands();
  std::string name = "committee-audit", sentence = problem.what();
  if (const std::string flag = unknown_flag(app); !flag.empty()) {
    sentence = flag_sentence(app, flag);
  } else if (chosen.empty()) {
    sentence = command_sentence(app, words);
  } else {
    name += " " + chosen.front()->get_name();
    if (const std::string own = unknown_flag(*chosen.front()); !own.empty()) {
      sentence = flag_sentence(*chosen.front(), own);
    }
  }
  return fmt::format("{}: {}\nRun {} --help for more information.\n", name, sentence, name);
}

std::string path_suggestion(const std::string& sentence, const std::vector<std::string>& words) {
  for (size_t i = 1; i < words.size(); ++i) {
    if (words[i - 1] == "-o" || words[i - 1] == "--out" || words[i].empty()) continue;
    fs::path path(words[i]);
    if (!path.has_filename()) path = path.parent_path();
    std::error_code unreadable;
    if (!sentence.starts_with(path.string()) || fs::exists(path, unreadable)) continue;
    const std::string like = nearest(path.filename().string(), names_in(path.parent_path()));
    if (!like.empty()) return fmt::format("; did you mean {}?", (path.parent_path() / like).string());
  }
  return "";
}

}  // namespace committee::cli
