#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/audit.h"
#include "cli/capture.h"

namespace committee::cli {

// The flags of a command that looks at a TRACE, or with --data runs a MODEL first.
class TraceOrModel {
 public:
  // `removed`: flags of a capture that the command does not take.
  void add(CLI::App& command, const std::vector<std::string>& removed);
  // What only one of the two takes, beside the capture's own.
  void goes_with_model(const CLI::Option* option) { model_only_.push_back(option); }

  // After parsing. Throws Error for flags that go with the other one.
  void check() const;
  bool is_model() const { return !capture.data.data.empty(); }
  const std::string& input() const { return capture.model; }

  // Of a trace: the rows that are looked at, and how they are grouped.
  AuditFlags audit_flags(const StatisticsFlags& statistics) const;

  CaptureFlags capture;
  OutputFlags output;

 private:
  std::vector<const CLI::Option*> model_only_;
  const CLI::Option* positions_ = nullptr;
};

}  // namespace committee::cli
