#include "cli/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "paths.h"

namespace committee::cli {

TerminalSession::TerminalSession(const std::vector<std::string>& arguments, int columns) {
  std::vector<std::string> words = {paths::kBinary};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string out = scratch_ / "stdout";
  struct winsize size {};
  size.ws_row = 24;
  size.ws_col = static_cast<unsigned short>(columns);
  pid_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
  if (pid_ == 0) {
    const int file = ::open(out.c_str(), O_WRONLY | O_CREAT, 0600);
    ::dup2(file, STDOUT_FILENO);
    ::setenv("TERM", "xterm", 1);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  EXPECT_GT(pid_, 0);
}

TerminalSession::~TerminalSession() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(terminal_);
}

bool TerminalSession::read_some() {
  char bytes[4096];
  const ssize_t count = ::read(terminal_, bytes, sizeof bytes);
  if (count <= 0) return false;  // EIO: the program has gone
  text_.append(bytes, static_cast<size_t>(count));
  return true;
}

bool TerminalSession::wait_for(const std::string& text) {
  while (text_.find(text) == std::string::npos) {
    if (!read_some()) return false;
  }
  return true;
}

void TerminalSession::send(int signal) const { ::kill(pid_, signal); }

Outcome TerminalSession::finish() {
  while (read_some()) {
  }
  int status = 0;
  EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
  pid_ = -1;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_text(scratch_ / "stdout"),
          text_};
}

}  // namespace committee::cli
