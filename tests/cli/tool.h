#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

// Running committee-audit as a user does, in folders that go when the test ends.
namespace committee::cli {

struct Outcome {
  int exit_code = -1;
  std::string out, err;
};

// Runs the program; arguments are passed as they are.
Outcome run_tool(const std::vector<std::string>& arguments);

// The same for any command; the first word is a program's path.
Outcome run_program(std::vector<std::string> words);

// A new, empty folder.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

  // A copy of the small OLMoE checkpoint under tests/fixtures.
  std::filesystem::path model(const std::string& name = "model") const;
  // A file with that text.
  std::filesystem::path file(const std::string& name, const std::string& text) const;

 private:
  std::filesystem::path path_;
};

std::string read_text(const std::filesystem::path& path);

// Runs a command with the least --memory that it can do with, which it is asked for first; `run` gets the
// value of the flag.
Outcome run_in_least_memory(const std::function<Outcome(const std::string& memory)>& run);

// Rows of a CSV file as name → cell.
std::vector<std::map<std::string, std::string>> rows_of(const std::filesystem::path& file);

// Eight small multiple-choice and free-text prompts in four domains.
std::filesystem::path prompts();
// The multiple-choice ones of these, into a file.
std::filesystem::path questions(const Scratch& scratch);

}  // namespace committee::cli
