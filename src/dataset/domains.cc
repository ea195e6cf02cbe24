#include "dataset/domains.h"

#include <algorithm>

#include "base/csv.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "dataset/text.h"

namespace committee::dataset {
namespace {

// The text with its comment lines emptied, so that line numbers stay.
std::string without_comments(std::string_view text) {
  std::string kept;
  kept.reserve(text.size());
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    if (!line.starts_with('#')) {
      kept += line;
    } else if (line.ends_with('\n')) {
      kept += '\n';
    }
    text.remove_prefix(end);
  }
  return kept;
}

}  // namespace

const DomainMap& DomainMap::mmlu() {
  static const DomainMap map = parse_csv(kMmluDomains, "the built-in map of MMLU's subjects");
  return map;
}

DomainMap DomainMap::read(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::string_view text = without_mark(file.text());
  return strip(text).starts_with('{') ? parse_json(text, path.string()) : parse_csv(text, path.string());
}

DomainMap DomainMap::parse_csv(std::string_view text, const std::string& name) {
  const std::string rows = without_comments(text);
  CsvReader reader(rows, name);
  DomainMap map;
  map.name_ = name;
  size_t subject = 0, domain = 1, columns = 2;
  for (bool first = true; auto record = reader.next(); first = false) {
    auto& cells = record->cells;
    const std::string where = fmt::format("{}:{}", name, record->line);
    if (first) {
      const auto subject_at = std::find(cells.begin(), cells.end(), "subject");
      const auto domain_at = std::find(cells.begin(), cells.end(), "domain");
      if (subject_at != cells.end() && domain_at != cells.end()) {
        subject = static_cast<size_t>(subject_at - cells.begin());
        domain = static_cast<size_t>(domain_at - cells.begin());
        columns = cells.size();
        continue;
      }
    }
    if (cells.size() != columns) throw Error("{}: {} cells where {} are due", where, cells.size(), columns);
    map.add(std::move(cells[subject]), std::move(cells[domain]), where);
  }
  if (map.entries_.empty()) throw Error("{}: maps no subject to a domain", name);
  return map;
}

DomainMap DomainMap::parse_json(std::string_view text, const std::string& name) {
  const Json object = committee::parse_json(text, name);
  if (!object.is_object()) throw Error("{}: must hold a JSON object, found {}", name, object.type_name());
  DomainMap map;
  map.name_ = name;
  for (const auto& [subject, domain] : object.items()) {
    if (!domain.is_string()) {
      throw Error("{}: the domain of \"{}\" must be a string, found {}", name, subject, domain.type_name());
    }
    map.add(subject, domain.get<std::string>(), name);
  }
  if (map.entries_.empty()) throw Error("{}: maps no subject to a domain", name);
  return map;
}

void DomainMap::add(std::string subject, std::string domain, const std::string& where) {
  if (subject.empty()) throw Error("{}: the subject is empty", where);
  if (domain.empty()) throw Error("{}: the domain of \"{}\" is empty", where, subject);
  if (std::find(domains_.begin(), domains_.end(), domain) == domains_.end()) domains_.push_back(domain);
  const auto [at, is_new] = entries_.try_emplace(std::move(subject), Entry{std::move(domain), where});
  if (!is_new) {
    throw Error("{}: subject \"{}\" is mapped twice, first at {}", where, at->first, at->second.where);
  }
}

const std::string* DomainMap::find(std::string_view subject) const {
  const auto at = entries_.find(std::string(subject));
  return at == entries_.end() ? nullptr : &at->second.domain;
}

const std::string& DomainMap::at(std::string_view subject, std::string_view where) const {
  const std::string* domain = find(subject);
  if (!domain) throw Error("{}: subject \"{}\" has no domain in {}", where, subject, name_);
  return *domain;
}

}  // namespace committee::dataset
