#include "cli/interrupt.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstring>

#include "cli/ranks.h"

namespace committee::cli {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM};

// What the handler reads. The sentence is changed with the signals blocked.
std::array<char, 8192> sentence;
std::atomic<size_t> sentence_size = 0;
std::atomic<bool> deferring = false;
std::atomic<int> noted = 0;

void on_signal(int number) {
  int none = 0;
  if (deferring && noted.compare_exchange_strong(none, number)) return;
  const size_t size = sentence_size;
  // Nothing is left to do about a stderr that takes nothing.
  if (::write(STDERR_FILENO, sentence.data(), size) < 0) ::_exit(128 + number);
  ::_exit(128 + number);
}

void install() {
  for (const int number : kSignals) {
    struct sigaction action {};
    ::sigaction(number, nullptr, &action);
    if (action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    for (const int other : kSignals) sigaddset(&action.sa_mask, other);
    action.sa_flags = SA_RESTART;
    ::sigaction(number, &action, nullptr);
  }
}

void say_line(const std::string& line) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  for (const int number : kSignals) sigaddset(&blocked, number);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const size_t size = std::min(line.size(), sentence.size());
  std::memcpy(sentence.data(), line.data(), size);
  sentence_size = size;
  install();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace

void say_when_interrupted(const std::string& text) {
  say_line(is_first_rank() ? "\ncommittee-audit: " + text + "\n" : "");
}

void say_nothing_when_interrupted() { say_line(""); }

SafeStop::SafeStop() {
  install();
  deferring = true;
}

SafeStop::~SafeStop() {
  deferring = false;
  if (const int number = noted.exchange(0)) ::raise(number);  // came after the last check
}

void SafeStop::check() const {
  if (const int number = noted.exchange(0)) throw Interrupted(number);
}

}  // namespace committee::cli
