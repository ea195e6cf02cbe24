#include "report/findings.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"

namespace committee::report {

namespace {

namespace fs = std::filesystem;

constexpr std::array kKinds = {"mask", "sweep", "roles", "balance"};
constexpr uintmax_t kMostBytes = 4 << 20;  // of a table on the page

std::vector<fs::path> csv_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().extension() == ".csv") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> sentences_of(const Json& json, const std::string& file) {
  std::vector<std::string> sentences;
  if (!json.contains("sentences") || !json["sentences"].is_array())
    throw Error("{}: \"sentences\" is no list", file);
  for (const auto& sentence : json["sentences"]) {
    if (!sentence.is_string()) throw Error("{}: \"sentences\" holds something that is no text", file);
    sentences.push_back(sentence.get<std::string>());
  }
  return sentences;
}

}  // namespace

const CsvFile* Findings::table(const std::string& name) const {
  const auto found =
      std::find_if(tables.begin(), tables.end(), [&](const CsvFile& file) { return file.name == name; });
  return found == tables.end() ? nullptr : &*found;
}

Findings read_findings(const fs::path& folder) {
  for (const char* kind : kKinds) {
    const fs::path path = folder / (std::string(kind) + ".json");
    if (!fs::exists(path)) continue;
    const std::string file = path.string();
    const Json json = read_json(path);
    if (!json.is_object()) throw Error("{}: is no object", file);
    const auto format = required_field<std::string>(json, "format", file);
    if (format != "committee-audit " + std::string(kind))
      throw Error("{}: \"format\" is \"{}\"", file, format);
    if (!optional_field<bool>(json, "complete", file).value_or(true))
      throw Error("{}: is not finished; --resume goes on with it", folder.string());
    Findings findings;
    findings.kind = kind;
    findings.command = optional_field<std::string>(json, "command", file).value_or("");
    if (json.contains("model") && json["model"].is_object()) {
      findings.model = optional_field<std::string>(json["model"], "name", file).value_or("");
      findings.fingerprint = optional_field<std::string>(json["model"], "fingerprint", file).value_or("");
    }
    findings.sentences = sentences_of(json, file);
    for (const auto& csv : csv_files(folder)) {
      const std::string name = csv.filename().string();
      if (fs::file_size(csv) > kMostBytes) {
        findings.left_out.push_back(name);
      } else {
        findings.tables.push_back({name, std::string(MappedFile(csv).text())});
      }
    }
    return findings;
  }
  throw Error("{}: holds no mask.json, sweep.json, roles.json or balance.json of a finished command",
              folder.string());
}

void check_same_model(const Findings& findings, const audit::AuditResult& result, const fs::path& folder) {
  if (findings.fingerprint.empty() || result.model.fingerprint.empty()) return;
  if (findings.fingerprint == result.model.fingerprint) return;
  throw Error("{}: is about another model ({}) than the audit ({})", folder.string(), findings.model,
              result.model.name);
}

}  // namespace committee::report
