#pragma once

#include <string>
#include <vector>

#include "audit/result.h"

// What an audit found, in sentences; every report begins with them.
namespace committee::report {

// The answer in two or three sentences: what is committee and what is arithmetic. The first is the audit's
// own verdict where it has one.
std::vector<std::string> answer(const audit::AuditResult& result);

// What domains share, and how concentrated routing is, each beside what chance and arithmetic give; empty
// where it is undefined.
std::string sharing_sentence(const audit::AuditResult& result);
std::string concentration_sentence(const audit::AuditResult& result);

// "last prompt token" for "last".
std::string positions_in_words(const std::string& positions);

// A line each on the model's shape, the data and the audit's options.
std::vector<std::string> subject_lines(const audit::AuditResult& result);

}  // namespace committee::report
