#include "report/audit_files.h"

#include <system_error>

#include "base/atomic_file.h"
#include "base/error.h"

namespace committee::report {

void write_audit(const audit::AuditResult& result, const std::filesystem::path& folder) {
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) throw Error("{}: cannot make the folder: {}", folder.string(), problem.message());
  // An audit.json of an earlier audit must not vouch for a mixture of files.
  std::filesystem::remove(folder / "audit.json", problem);
  if (problem) throw Error("{}: cannot replace: {}", (folder / "audit.json").string(), problem.message());
  for (const auto& file : audit_csv(result)) write_file(folder / file.name, file.text);
  write_file(folder / "audit.json", audit_json(result));
}

}  // namespace committee::report
