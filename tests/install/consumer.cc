#include <cstdio>

#include "report/audit_files.h"
#include "trace/reader.h"

// The verdict of the audit that is named.
int main(int, char** argv) {
  const auto result = committee::report::read_audit(argv[1]);
  std::printf("%s\n", result.verdict.reason.c_str());
}
