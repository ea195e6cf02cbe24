#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "dataset/sample.h"
#include "dataset/sources.h"

namespace committee::dataset {

struct DataOptions {
  std::filesystem::path path = {};  // what find_sources() takes
  Format format = Format::kAuto;
  std::optional<std::string> split = {};  // of MMLU's layout; nothing is "test", or a split folder's name
  std::optional<int64_t> limit = {};      // samples a domain, at least 1
  std::optional<int64_t> round = {};      // order by rounds of so many samples a domain, at least 1
  uint64_t seed = 0;                      // of the samples that `limit` and the rounds take
  std::optional<std::filesystem::path> domains = {};  // subject → domain, see DomainMap::read
  std::string group_by = {};  // the column whose value is the domain; empty or "domain": the rule of load()
};

struct Dataset {
  std::vector<Sample> samples;               // in the order of the files and of their records, inside a round
  std::vector<int64_t> rounds;               // how many samples there are after each round; empty without
  std::vector<std::string> domains;          // in the order of their first sample; none is empty
  std::vector<std::filesystem::path> files;  // as they were read
  std::vector<std::string> warnings;         // sentences for the user

  // "FILE:LINE" of a sample, for sentences of errors.
  std::string where(const Sample& sample) const;
};

// Reads a data set whole, or `limit` samples of each domain of it (the others are checked and not kept).
//
// Domain of a sample: `group_by`'s column (subject, answer, or any that is not the prompt itself), else the
// map given by `domains` of its subject; of its domain, where it has no subject and the map names that
// domain; else its own `domain`; else, for data in MMLU's layout, the built-in map of its subject; else its
// subject. A sample without an id is called SUBJECT/N, N counting the samples of that subject that have none,
// from 0 (MMLU: the row of the subject's file).
//
// `limit` takes, in each domain, the samples whose hash of (seed, id) is lowest: the same ones whatever else
// the data set holds, and all of a smaller limit's among a larger one's.
//
// Rounds are drawn in the same order: the first holds in each domain the `round` samples of lowest hash, the
// next the following ones, as long as a domain has any.
//
// Throws Error, with file and line: what the readers refuse, no sample in a file, no domain, a subject that
// the map does not know, a column that a sample lacks, an id used twice, a limit below 1 (every domain would
// be empty).
Dataset load(const DataOptions& options);

}  // namespace committee::dataset
