// make_pages FOLDER: audits of made-up figures with their HTML reports, for the browser test.

#include <cstdio>
#include <exception>
#include <filesystem>

#include "base/atomic_file.h"
#include "report/audit_files.h"
#include "report/comparison.h"
#include "report/html.h"
#include "report/sample_audit.h"
#include "report/sample_findings.h"

namespace {

namespace fs = std::filesystem;
using namespace committee;

void write(const audit::AuditResult& result, const fs::path& folder,
           const std::vector<report::Findings>& findings = {}) {
  report::write_audit(result, folder);
  write_file(folder / "report.html",
             report::html_report(result, {"committee-audit run model -o out", findings}));
}

// Two audits of one shape and one of another, whose name is no HTML.
void write_comparison(const fs::path& folder) {
  auto later = report::sample_audit({6, 32, 4, 9, report::SampleBaselines::kAll});
  for (auto& layer : later.layers) std::swap(layer.committee, layer.core);
  const auto comparison = report::compare_audits(
      {{"first", report::sample_audit({6, 32, 4, 9, report::SampleBaselines::kAll})},
       {"later", std::move(later)},
       {"<b>other</b>", report::sample_audit({4, 16, 2, 9, report::SampleBaselines::kAll})}});
  fs::create_directories(folder);
  for (const auto& file : report::comparison_csv(comparison)) write_file(folder / file.name, file.text);
  write_file(folder / "report.html", report::html_comparison(comparison, {"committee-audit compare a b c"}));
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) return 2;
  const fs::path folder = argv[1];
  auto small = report::sample_audit({6, 32, 4, 9, report::SampleBaselines::kAll});
  // What a page must show and not obey.
  small.model.name = "tiny </script><script>window.broken = 1</script>";
  small.domains[1].name = "<img src=x onerror=\"window.broken = 2\">";
  small.warnings[0].message = "</p><script>window.broken = 3</script> & more";
  small.warnings[0].evidence["token"] = "</pre><b>bold</b>";
  write(small, folder / "small");
  write(report::sample_audit(), folder / "findings", report::sample_findings());
  write(report::sample_audit({1, 4, 1, 1, report::SampleBaselines::kNone}), folder / "least");
  write(report::sample_audit({48, 128, 8, 57, report::SampleBaselines::kAll}), folder / "large");
  write_comparison(folder / "compared");
  return 0;
} catch (const std::exception& problem) {
  std::fprintf(stderr, "%s\n", problem.what());
  return 1;
}
