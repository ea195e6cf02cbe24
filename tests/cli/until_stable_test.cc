// Adaptive sampling (--until-stable): when it stops, what it leaves, and that a kill changes nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/csv.h"
#include "base/json.h"
#include "cli/tool.h"
#include "trace/reader.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class UntilStable : public testing::Test {
 protected:
  // 12 prompts in each of two domains and 5 in a third.
  fs::path data() const {
    std::string text;
    for (int i = 0; i < 12; ++i) {
      for (const char* domain : {"a", "b", "c"}) {
        if (std::string(domain) == "c" && i >= 5) continue;
        text += "{\"id\":\"" + std::string(domain) + std::to_string(i) + "\",\"domain\":\"" + domain +
                "\",\"text\":\"" + std::string(1 + i, static_cast<char>('d' + i)) + " " + domain + "\"}\n";
      }
    }
    return scratch_.file("data.jsonl", text);
  }
  Outcome capture(const fs::path& out, const std::vector<std::string>& more,
                  const std::string& round = "4") const {
    std::vector<std::string> arguments = {"capture", model_,       "--data", data(),           "-o",
                                          out,       "--round",    round,    "--until-stable", "--compute",
                                          "f32",     "--template", "plain"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_tool(arguments);
  }
  static std::vector<CsvRecord> table(const fs::path& path) {
    const std::string text = read_text(path);
    CsvReader reader(text, path.string());
    std::vector<CsvRecord> rows;
    while (auto row = reader.next()) rows.push_back(*row);
    return rows;
  }

  Scratch scratch_;
  const std::string model_ = scratch_.model();
};

TEST_F(UntilStable, KeepsTheCurveAndStopsAtARound) {
  const fs::path out = scratch_ / "trace";
  const auto outcome = capture(out, {});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto curve = table(out / "stability.csv");
  ASSERT_GE(curve.size(), 2u);
  EXPECT_THAT(curve[0].cells, testing::ElementsAre("samples", "stable_layers", "agreement"));
  EXPECT_EQ(curve[1].cells[0], "12");  // four a domain
  const Json manifest = read_json(out / "trace.json");
  EXPECT_EQ(manifest["recording"]["stability"].size(), curve.size() - 1);
  EXPECT_EQ(manifest["samples"], std::stoi(curve.back().cells[0]));
  const bool stable = std::stod(curve.back().cells[1]) >= 0.95;
  EXPECT_THAT(outcome.err,
              HasSubstr(stable ? "stable after " + curve.back().cells[0] : "not stable after all 29"));
  for (size_t i = 1; i + 1 < curve.size(); ++i) EXPECT_LT(std::stod(curve[i].cells[1]), 0.95);

  const auto trace = trace::Trace::open(out);
  std::map<std::string, int> counts;
  for (const auto& sample : trace.samples()) ++counts[sample.domain];
  EXPECT_EQ(counts["a"], counts["b"]);
}

TEST_F(UntilStable, ResumeGivesTheSameBytes) {
  const fs::path whole = scratch_ / "whole", cut = scratch_ / "cut";
  ASSERT_EQ(capture(whole, {"--threads", "2"}).exit_code, 0);
  ASSERT_EQ(capture(cut, {"--threads", "1"}).exit_code, 0);
  // As a kill after the first round leaves it: no samples, an unfinished manifest, one damaged shard.
  fs::remove(cut / "stability.csv");
  std::ofstream(cut / "records-00001.safetensors", std::ios::app) << "x";
  const auto outcome = capture(cut, {"--resume"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const auto& entry : fs::directory_iterator(whole)) {
    const auto name = entry.path().filename();
    EXPECT_EQ(read_text(entry.path()), read_text(cut / name)) << name;
  }
  // A complete trace is left as it is.
  EXPECT_EQ(capture(cut, {"--resume"}).exit_code, 0);
  EXPECT_EQ(read_text(whole / "trace.json"), read_text(cut / "trace.json"));
  EXPECT_THAT(capture(cut, {"--resume"}, "5").err, HasSubstr("cannot resume"));
}

TEST_F(UntilStable, AnAuditKnowsTheCurve) {
  const fs::path out = scratch_ / "out";
  const auto outcome = run_tool({"run", model_, "--data", data(), "-o", out, "--until-stable", "--round", "4",
                                 "--template", "plain", "--gamma", "0.5", "--bootstrap", "20",
                                 "--permutations", "0", "--expert-shuffles", "0"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json audit = read_json(out / "audit/audit.json");
  EXPECT_GE(audit["recording"]["stability"].size(), 1u);
  EXPECT_EQ(audit["recording"]["stability"].back()["samples"], audit["samples"]);
}

TEST_F(UntilStable, RefusesWhatCannotBe) {
  const fs::path out = scratch_ / "out";
  const auto run = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"run", model_, "--data", data(), "-o", out, "--until-stable"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_tool(arguments);
  };
  EXPECT_THAT(run({"--bootstrap", "0"}).err, HasSubstr("needs a --bootstrap"));
  EXPECT_THAT(run({"--eci", "reference"}).err, HasSubstr("--eci reference"));
  EXPECT_THAT(run({"--record", "topk"}).err, HasSubstr("--eci executed"));
  EXPECT_FALSE(fs::exists(out / "trace/trace.json"));
  EXPECT_EQ(run_tool({"capture", model_, "--data", data(), "-o", out, "--round", "3"}).exit_code, 2);
}

}  // namespace
}  // namespace committee::cli
