#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace committee::dataset {

// Which domain a subject belongs to.
class DomainMap {
 public:
  // MMLU's 57 subjects in nine domains: data/domains/mmlu.csv, built in.
  static const DomainMap& mmlu();

  // A file: a JSON object {"subject": "domain"} where its first character is '{', else parse_csv. Throws
  // Error.
  static DomainMap read(const std::filesystem::path& path);

  // CSV `subject,domain`, with that header (other columns are passed over) or without any; lines that begin
  // with '#' are comments. `name` begins errors: an empty subject or domain, a subject mapped twice, a map of
  // nothing.
  static DomainMap parse_csv(std::string_view text, const std::string& name);
  static DomainMap parse_json(std::string_view text, const std::string& name);

  // The domain of `subject`, null where the map does not name it.
  const std::string* find(std::string_view subject) const;
  // find(), where no domain is an Error that begins with `where` (the place of the record that asks).
  const std::string& at(std::string_view subject, std::string_view where) const;

  // The domains in the map's order (a JSON object's is alphabetical, by subject).
  const std::vector<std::string>& domains() const { return domains_; }
  // The file's name, or words for the built-in map.
  const std::string& name() const { return name_; }

 private:
  void add(std::string subject, std::string domain, const std::string& where);

  struct Entry {
    std::string domain;
    std::string where;
  };
  std::string name_;
  std::unordered_map<std::string, Entry> entries_;
  std::vector<std::string> domains_;
};

// The text behind DomainMap::mmlu().
extern const char* const kMmluDomains;

}  // namespace committee::dataset
