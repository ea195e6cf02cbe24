#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cli/tool.h"

namespace committee::cli {

// The program on a terminal of its own (a pseudoterminal) as its stderr; stdout goes to a file.
class TerminalSession {
 public:
  explicit TerminalSession(const std::vector<std::string>& arguments, int columns = 100);
  ~TerminalSession();
  TerminalSession(const TerminalSession&) = delete;
  TerminalSession& operator=(const TerminalSession&) = delete;

  // Reads what the terminal gets until it holds `text`; false where the program ends before.
  bool wait_for(const std::string& text);
  void send(int signal) const;
  Outcome finish();  // once; `err` is all that the terminal got

 private:
  bool read_some();

  Scratch scratch_;
  int terminal_ = -1;
  pid_t pid_ = -1;
  std::string text_;
};

}  // namespace committee::cli
