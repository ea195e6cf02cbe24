#include "dataset/dataset.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/random.h"
#include "dataset/domains.h"
#include "dataset/read_csv.h"
#include "dataset/read_jsonl.h"

namespace committee::dataset {
namespace {

// FNV-1a: the same on every machine.
uint64_t hash(std::string_view text) {
  uint64_t value = 0xCBF29CE484222325u;
  for (const char c : text) value = (value ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  return value;
}

// Gives each sample its domain.
class Grouping {
 public:
  explicit Grouping(const DataOptions& options)
      : column_(options.group_by == "domain" ? "" : options.group_by) {
    if (!options.domains) return;
    if (!column_.empty()) {
      throw Error("a map of domains and grouping by \"{}\" exclude each other", column_);
    }
    map_ = DomainMap::read(*options.domains);
  }

  // Of a sample whose subject and domain are as given or empty.
  std::string domain(const Sample& sample, bool mmlu, const Place& place) {
    if (!column_.empty()) return by_column(sample, place);
    const bool has_subject = !sample.subject.empty(), has_domain = !sample.domain.empty();
    if (!has_subject && !has_domain) place.fail("a record needs a \"domain\" or a \"subject\"");
    if (map_ && has_subject) return map_->at(sample.subject, place.text());
    if (map_) {
      const std::string* pooled = map_->find(sample.domain);
      return pooled ? *pooled : sample.domain;
    }
    if (has_domain) return sample.domain;
    if (!mmlu) return sample.subject;
    built_in_used_ = true;
    return DomainMap::mmlu().at(sample.subject, place.text());
  }

  // What the map names and no sample falls in.
  std::vector<std::string> warnings(const std::vector<std::string>& domains) const {
    const DomainMap* map = map_ ? &*map_ : built_in_used_ ? &DomainMap::mmlu() : nullptr;
    if (!map) return {};
    std::vector<std::string> missing;
    for (const auto& domain : map->domains()) {
      if (std::find(domains.begin(), domains.end(), domain) == domains.end()) missing.push_back(domain);
    }
    if (missing.empty()) return {};
    return {fmt::format("{}: no sample falls in {}", map->name(), fmt::join(missing, ", "))};
  }

 private:
  std::string by_column(const Sample& sample, const Place& place) const {
    if (column_ == "subject" && !sample.subject.empty()) return sample.subject;
    if (column_ == "answer" && sample.answer) return choice_label(static_cast<size_t>(*sample.answer));
    for (const auto& [name, value] : sample.columns) {
      if (name == column_ && !value.empty()) return value;
    }
    place.fail("a record needs a \"{}\" to be grouped by", column_);
  }

  std::string column_;
  std::optional<DomainMap> map_;
  bool built_in_used_ = false;
};

// Completes samples, and keeps those that the limit takes.
class Collector {
 public:
  Collector(const DataOptions& options, std::vector<std::filesystem::path> files)
      : grouping_(options), limit_(options.limit), round_(options.round), seed_(options.seed) {
    if (limit_ && *limit_ < 1)
      throw Error("a limit of {} samples would leave an empty domain: 1 at least", *limit_);
    if (round_ && *round_ < 1) throw Error("a round of {} samples a domain is none: 1 at least", *round_);
    dataset_.files = std::move(files);
  }

  void add(Record&& record, int file) {
    const Place place = record.place;
    const bool mmlu = record.mmlu;
    Sample sample = to_sample(std::move(record));
    std::string domain = grouping_.domain(sample, mmlu, place);
    if (sample.subject.empty()) sample.subject = sample.domain.empty() ? domain : sample.domain;
    sample.domain = std::move(domain);
    sample.file = file;
    if (sample.id.empty()) sample.id = fmt::format("{}/{}", sample.subject, unnamed_[sample.subject]++);
    const auto [first, is_new] = ids_.try_emplace(sample.id, Origin{sample.file, sample.line});
    if (!is_new) {
      const auto& [first_file, first_line] = first->second;
      place.fail("id \"{}\" is used twice, first at {}:{}", sample.id,
                 dataset_.files[static_cast<size_t>(first_file)].string(), first_line);
    }
    keep(std::move(sample));
  }

  int64_t count() const { return count_; }

  Dataset finish() {
    std::vector<Kept> kept;
    for (auto& [domain, bin] : bins_) {
      if (round_) assign_rounds(bin);
      std::move(bin.begin(), bin.end(), std::back_inserter(kept));
    }
    std::sort(kept.begin(), kept.end(), [](const Kept& a, const Kept& b) {
      return std::tie(a.round, a.order) < std::tie(b.round, b.order);
    });
    for (size_t i = 0; round_ && i < kept.size(); ++i) {
      if (i + 1 == kept.size() || kept[i + 1].round != kept[i].round) {
        dataset_.rounds.push_back(static_cast<int64_t>(i) + 1);
      }
    }
    std::unordered_set<std::string_view> seen;
    dataset_.samples.reserve(kept.size());
    for (auto& one : kept) dataset_.samples.push_back(std::move(one.sample));
    for (const auto& sample : dataset_.samples) {
      if (seen.insert(sample.domain).second) dataset_.domains.push_back(sample.domain);
    }
    dataset_.warnings = grouping_.warnings(dataset_.domains);
    return std::move(dataset_);
  }

 private:
  struct Origin {
    int file;
    int64_t line;
  };
  struct Kept {
    uint64_t key;
    int64_t order;
    Sample sample;
    int64_t round = 0;
    // The largest is the first to go.
    bool operator<(const Kept& other) const {
      return key != other.key ? key < other.key : order < other.order;
    }
  };

  void assign_rounds(std::vector<Kept>& bin) const {
    std::sort(bin.begin(), bin.end());
    for (size_t i = 0; i < bin.size(); ++i) bin[i].round = static_cast<int64_t>(i) / *round_;
  }

  void keep(Sample&& sample) {
    const uint64_t key = Random(seed_, hash(sample.id)).next();
    auto& heap = bins_[sample.domain];
    heap.push_back({key, count_++, std::move(sample), 0});
    if (!limit_) return;
    std::push_heap(heap.begin(), heap.end());
    if (static_cast<int64_t>(heap.size()) <= *limit_) return;
    std::pop_heap(heap.begin(), heap.end());
    heap.pop_back();
  }

  Grouping grouping_;
  std::optional<int64_t> limit_, round_;
  uint64_t seed_;
  Dataset dataset_;
  int64_t count_ = 0;
  std::unordered_map<std::string, int64_t> unnamed_;  // by subject, samples without an id so far
  std::unordered_map<std::string, Origin> ids_;
  std::unordered_map<std::string, std::vector<Kept>> bins_;  // by domain, a heap where there is a limit
};

}  // namespace

std::string Dataset::where(const Sample& sample) const {
  return fmt::format("{}:{}", files[static_cast<size_t>(sample.file)].string(), sample.line);
}

Dataset load(const DataOptions& options) {
  const auto sources = find_sources(options.path, options.format, options.split);
  std::vector<std::filesystem::path> files;
  files.reserve(sources.size());
  for (const auto& source : sources) files.push_back(source.path);
  Collector collector(options, std::move(files));
  for (size_t i = 0; i < sources.size(); ++i) {
    const int64_t before = collector.count();
    const auto add = [&](Record&& record) { collector.add(std::move(record), static_cast<int>(i)); };
    const bool jsonl = sources[i].format == Format::kJsonl;
    jsonl ? read_jsonl(sources[i], add) : read_csv(sources[i], add);
    if (collector.count() == before) throw Error("{}: holds no samples", sources[i].path.string());
  }
  return collector.finish();
}

}  // namespace committee::dataset
