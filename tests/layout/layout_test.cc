// The direction of includes (docs/architecture.md): a folder of src/ sees `base`, itself and what is listed
// here.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "paths.h"

namespace {

namespace fs = std::filesystem;

const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"base", {}},
    {"parallel", {}},
    {"mpi", {"parallel"}},
    {"dataset", {}},
    {"tokenizer", {}},
    {"model", {}},
    {"engine", {"model"}},
    {"trace", {"model"}},
    {"audit", {"trace"}},
    {"roles", {"trace", "audit"}},
    {"balance", {"trace", "audit", "interventions"}},
    {"interventions", {"trace", "audit"}},
    {"report", {"trace", "audit", "roles", "balance", "interventions"}},
    {"cli",
     {"parallel", "dataset", "tokenizer", "model", "engine", "trace", "audit", "roles", "balance",
      "interventions", "report"}},
};

// Of `model`, the trace sees the file format and the records only: an audit needs no weights.
const std::set<std::string> kModelHeadersOfTrace = {"model/routing.h", "model/safetensors.h",
                                                    "model/tensor.h"};

struct Include {
  std::string from_folder, from_file, header;
};

// What a line includes; empty where it is no include.
std::string included(std::string_view line) {
  const auto skip_blanks = [&] { line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size())); };
  for (const std::string_view word : {"#", "include"}) {
    skip_blanks();
    if (!line.starts_with(word)) return "";
    line.remove_prefix(word.size());
  }
  skip_blanks();
  if (line.empty()) return "";
  const size_t end = line.find(line.front() == '<' ? '>' : '"', 1);
  return end == std::string_view::npos ? "" : std::string(line.substr(1, end - 1));
}

std::vector<Include> includes_of(const std::string& folder, const std::string& file,
                                 const std::string& text) {
  std::vector<Include> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (std::string header = included(line); !header.empty())
      found.push_back({folder, file, std::move(header)});
  }
  return found;
}

// Why an include is not allowed; empty where it is.
std::string objection(const Include& include) {
  if (include.header.find("dnnl") != std::string::npos) {
    return include.from_file.starts_with("src/engine/onednn_")
               ? ""
               : "only src/engine/onednn_* may include oneDNN";
  }
  const std::string target = include.header.substr(0, include.header.find('/'));
  if (target == include.header || !kMayInclude.contains(target)) return "";  // not one of ours
  if (target == "base" || target == include.from_folder) return "";
  if (!kMayInclude.at(include.from_folder).contains(target)) {
    return include.from_folder + " may not include " + target;
  }
  if (include.from_folder == "trace" && !kModelHeadersOfTrace.contains(include.header)) {
    return "trace may not include " + include.header;
  }
  return "";
}

TEST(Layout, IncludesPointOneWay) {
  const fs::path root = committee::paths::kSource;
  int files = 0;
  for (const auto& [folder, allowed] : kMayInclude) {
    for (const auto& entry : fs::recursive_directory_iterator(root / "src" / folder)) {
      const auto extension = entry.path().extension();
      if (extension != ".cc" && extension != ".h") continue;
      ++files;
      std::ifstream stream(entry.path());
      std::stringstream text;
      text << stream.rdbuf();
      const std::string name = fs::relative(entry.path(), root).string();
      for (const auto& include : includes_of(folder, name, text.str())) {
        EXPECT_EQ(objection(include), "") << name << " includes " << include.header;
      }
    }
  }
  EXPECT_GT(files, 40);
}

TEST(Layout, TheRuleCanFail) {
  const auto check = [](const char* folder, const char* file, const char* line) {
    return objection(includes_of(folder, file, line).at(0));
  };
  EXPECT_NE(check("trace", "src/trace/writer.cc", "#include \"engine/prefill.h\""), "");
  EXPECT_NE(check("trace", "src/trace/writer.cc", "#include \"model/weights.h\""), "");
  EXPECT_NE(check("engine", "src/engine/moe.cc", "  # include <oneapi/dnnl/dnnl.hpp>"), "");
  EXPECT_EQ(check("engine", "src/engine/onednn_product.cc", "#include <oneapi/dnnl/dnnl.hpp>"), "");
  EXPECT_EQ(check("trace", "src/trace/writer.cc", "#include \"model/routing.h\""), "");
  EXPECT_EQ(check("audit", "src/audit/audit.cc", "#include <vector>"), "");
}

}  // namespace
