#pragma once

#include <exception>
#include <string>

// Ctrl-C (SIGINT) and SIGTERM. A second one ends the process at once; one that the caller had ignored stays
// ignored.
namespace committee::cli {

// A signal came while a SafeStop lived; the process exits with 128 + signal.
class Interrupted : public std::exception {
 public:
  explicit Interrupted(int number) : signal(number) {}
  const char* what() const noexcept override { return "interrupted"; }
  int signal;
};

// From now on a signal ends the process with this sentence on stderr (replacing an earlier one), exit code
// 128 + signal; ranks that are not the first say nothing. What is being written then must be whole or absent,
// as with write_file().
void say_when_interrupted(const std::string& sentence);

// The same without a sentence.
void say_nothing_when_interrupted();

// While one lives, a signal is only noted, and check() throws Interrupted: for work that must stop between
// its steps. Not nested.
class SafeStop {
 public:
  SafeStop();
  ~SafeStop();
  SafeStop(const SafeStop&) = delete;
  SafeStop& operator=(const SafeStop&) = delete;

  void check() const;
};

}  // namespace committee::cli
