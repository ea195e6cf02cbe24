#include "cli/tool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/csv.h"
#include "paths.h"

extern char** environ;

namespace committee::cli {
namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

fs::path prompts() { return fs::path(paths::kFixtures) / "dataset/prompts/prompts.jsonl"; }

Outcome run_in_least_memory(const std::function<Outcome(const std::string& memory)>& run) {
  Outcome outcome = run("1M");
  const size_t at = outcome.err.find(" needs ");
  EXPECT_NE(at, std::string::npos) << outcome.err;
  if (at == std::string::npos) return outcome;
  for (int megabytes = std::stoi(outcome.err.substr(at + 7)), tries = 0; tries < 40; ++tries, ++megabytes) {
    outcome = run(std::to_string(megabytes) + "M");
    if (outcome.exit_code == 0) break;
  }
  return outcome;
}

fs::path questions(const Scratch& scratch) {
  std::istringstream lines(read_text(prompts()));
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("\"choices\"") != std::string::npos) text += line + "\n";
  }
  return scratch.file("questions.jsonl", text);
}

std::vector<std::map<std::string, std::string>> rows_of(const fs::path& file) {
  const std::string text = read_text(file);
  CsvReader reader(text, file.string());
  const auto header = reader.next()->cells;
  std::vector<std::map<std::string, std::string>> rows;
  while (const auto record = reader.next()) {
    rows.emplace_back();
    for (size_t i = 0; i < header.size(); ++i) rows.back()[header[i]] = record->cells[i];
  }
  return rows;
}

Outcome run_tool(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {paths::kBinary};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return run_program(std::move(words));
}

Outcome run_program(std::vector<std::string> words) {
  const Scratch scratch;
  const std::string out = scratch / "stdout", err = scratch / "stderr";
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT, 0600);
  pid_t pid = 0;
  const int problem = posix_spawn(&pid, argv[0], &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  EXPECT_EQ(problem, 0);
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_text(out), read_text(err)};
}

Scratch::Scratch() {
  std::string name = (fs::path(testing::TempDir()) / "committee-XXXXXX").string();
  EXPECT_NE(mkdtemp(name.data()), nullptr);
  path_ = name;
}

Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path Scratch::model(const std::string& name) const {
  const fs::path to = path_ / name;
  fs::create_directory(to);
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}) {
    fs::copy_file(fs::path(paths::kFixtures) / "models/olmoe" / file, to / file);
  }
  return to;
}

fs::path Scratch::file(const std::string& name, const std::string& text) const {
  std::ofstream(path_ / name, std::ios::binary) << text;
  return path_ / name;
}

}  // namespace committee::cli
