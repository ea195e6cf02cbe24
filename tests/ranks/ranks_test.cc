// Captures that several processes of mpirun share: files equal to one process's byte for byte, failures said
// once, and a killed rank that loses nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/json.h"
#include "cli/tool.h"
#include "paths.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Words = std::vector<std::string>;

// Prompts of 250 samples, four shards, as tokens; the last one begins with `last_token`.
std::string token_prompts(int last_token = 1) {
  std::string lines;
  for (int i = 0; i < 250; ++i) {
    lines += fmt::format(R"({{"id":"s{}","domain":"d{}","tokens":[)", i, i % 3);
    const int first = i == 249 ? last_token : i % 5;
    lines += fmt::format("{},7,{}", first, 20 + i % 11);
    for (int t = 0; t < 5 + i % 7; ++t) lines += fmt::format(",{}", 2 + (i * 37 + t * 101) % 700);
    lines += "]}\n";
  }
  return lines;
}

std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files[entry.path().filename().string()] = read_text(entry.path());
  }
  return files;
}

int occurrences(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// What makes Open MPI start several processes anywhere, as root too, over memory alone, and say little; other
// MPIs pass it over.
Words mpirun(const Words& words) {
  Words all = {"/usr/bin/env",
               "OMPI_ALLOW_RUN_AS_ROOT=1",
               "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
               "OMPI_MCA_rmaps_base_oversubscribe=1",
               "OMPI_MCA_btl=self,vader",
               "OMPI_MCA_btl_vader_single_copy_mechanism=none",
               "OMPI_MCA_plm_rsh_agent=false",
               "OMPI_MCA_oob_tcp_if_include=lo",
               "OMPI_MCA_odls_base_sigkill_timeout=0",
               "MPIEXEC_TIMEOUT=120",
               "ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0",  // MPI's own leaks; LD_PRELOAD below
               COMMITTEE_MPIRUN};
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

class Ranks : public testing::Test {
 protected:
  Words job(const std::string& command, const fs::path& out, const Words& more = {}) const {
    Words words = {command,   model_,      "--data", data_,       "-o", out,
                   "--quiet", "--threads", "1",      "--compute", "f32"};
    if (std::find(more.begin(), more.end(), "--positions") == more.end()) {
      words.insert(words.end(), {"--positions", "all"});
    }
    if (command == "run") {
      words.insert(words.end(), {"--bootstrap", "5", "--permutations", "5", "--expert-shuffles", "5"});
    }
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  static Words on(int ranks, const Words& arguments, const fs::path& program = paths::kBinary) {
    Words words = {"-n", std::to_string(ranks), program};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return words;
  }
  static Outcome run_on(int ranks, const Words& arguments) {
    return run_program(mpirun(on(ranks, arguments)));
  }

  // Two ranks with a fault of tests/faults at a rename.
  static Outcome run_with_fault(const std::string& fault, const Words& arguments) {
    Words words = on(
        2, {std::string("LD_PRELOAD=") + COMMITTEE_FAULTS, "COMMITTEE_FAULT=rename:" + fault, paths::kBinary},
        "/usr/bin/env");
    words.insert(words.end(), arguments.begin(), arguments.end());
    return run_program(mpirun(words));
  }

  // The files of a capture by one process.
  std::map<std::string, std::string> alone() const {
    EXPECT_EQ(run_tool(job("capture", scratch_ / "alone")).exit_code, 0);
    return files_of(scratch_ / "alone");
  }
  void expect_resumed(const fs::path& out, int ranks, const std::map<std::string, std::string>& whole) const {
    const Words words = job("capture", out, {"--resume"});
    const auto resumed = ranks == 1 ? run_tool(words) : run_on(ranks, words);
    ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
    EXPECT_EQ(files_of(out), whole);
  }

  // One sentence, said once, and exit code 1.
  static void expect_refused(const Outcome& outcome, const std::string& part) {
    EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
    EXPECT_EQ(occurrences(outcome.err, "committee-audit: "), 1) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(part));
  }

  // The fixture with a NaN in the embedding of one token.
  fs::path model_with_nan(int token) const {
    const fs::path model = scratch_.model("nan");
    std::string bytes = read_text(model / "model.safetensors");
    uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof header);
    const Json embedding = Json::parse(bytes.substr(8, header)).at("model.embed_tokens.weight");
    const size_t width = embedding.at("shape").at(1);
    const size_t at = 8 + header + embedding.at("data_offsets").at(0).get<size_t>() +
                      static_cast<size_t>(token) * width * sizeof(uint16_t);
    const uint16_t nan = 0x7FC0;
    std::memcpy(bytes.data() + at, &nan, sizeof nan);
    scratch_.file("nan/model.safetensors", bytes);
    return model;
  }

  Scratch scratch_;
  std::string model_ = scratch_.model();
  std::string data_ = scratch_.file("prompts.jsonl", token_prompts());
};

TEST_F(Ranks, ShareACaptureByPromptsOrLayersWithEqualFiles) {
  const auto whole = alone();
  ASSERT_TRUE(whole.contains("records-00004.safetensors"));
  const auto expect_equal = [&](const std::string& name, int ranks, const Words& more) {
    SCOPED_TRACE(name);
    const auto outcome = run_on(ranks, job("capture", scratch_ / name, more));
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(files_of(scratch_ / name), whole);
  };
  expect_equal("one", 1, {});
  expect_equal("two", 2, {});
  expect_equal("four", 4, {});
  expect_equal("gathered", 5, {"--gather"});  // one of them without a shard
  expect_equal("layers", 2, {"--split", "layers"});
  expect_equal("thinner", 3, {"--ranks", "layers"});
}

TEST_F(Ranks, ShareARunWithEqualAudits) {
  const auto by_one = run_tool(job("run", scratch_ / "alone", {"--json"}));
  ASSERT_EQ(by_one.exit_code, 0) << by_one.err;
  const auto outcome = run_on(2, job("run", scratch_ / "shared", {"--json"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(Json::parse(outcome.out).at("audits").at(0).at("result"),
            Json::parse(by_one.out).at("audits").at(0).at("result"));
  EXPECT_EQ(files_of(scratch_ / "shared/trace"), files_of(scratch_ / "alone/trace"));
  EXPECT_EQ(files_of(scratch_ / "shared/audit"), files_of(scratch_ / "alone/audit"));
}

TEST_F(Ranks, LayersWithRecordsOfTopKAlone) {
  const Words flags = {"--record", "topk", "--positions", "last"};
  ASSERT_EQ(run_tool(job("capture", scratch_ / "alone", flags)).exit_code, 0);
  Words split = flags;
  split.insert(split.end(), {"--ranks", "layers"});
  const auto outcome = run_on(3, job("capture", scratch_ / "shared", split));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(files_of(scratch_ / "shared"), files_of(scratch_ / "alone"));
}

TEST_F(Ranks, GeneratedTokensAreSharedByPrompts) {
  const Words flags = {"--positions", "generated", "--max-new-tokens", "3"};
  ASSERT_EQ(run_tool(job("capture", scratch_ / "alone", flags)).exit_code, 0);
  const auto outcome = run_on(2, job("capture", scratch_ / "shared", flags));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(files_of(scratch_ / "shared"), files_of(scratch_ / "alone"));
  Words split = flags;
  split.insert(split.end(), {"--ranks", "layers"});
  expect_refused(run_on(2, job("capture", scratch_ / "layers", split)), "--positions generated");
}

// Every rank in a folder of its own, so that the others do not see the first one's OUT.
TEST_F(Ranks, SendTheirShardsWhereTheyShareNoFolder) {
  ASSERT_EQ(run_tool(job("capture", scratch_ / "alone")).exit_code, 0);
  Words words;
  for (const char* machine : {"a", "b", "c"}) {
    fs::create_directory(scratch_ / machine);
    if (!words.empty()) words.push_back(":");
    words.insert(words.end(), {"-wdir", scratch_ / machine});
    const Words part = on(1, job("capture", "out", {"--scratch", scratch_ / machine}));
    words.insert(words.end(), part.begin(), part.end());
  }
  const auto outcome = run_program(mpirun(words));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(files_of(scratch_ / "a/out"), files_of(scratch_ / "alone"));
  EXPECT_TRUE(fs::is_empty(scratch_ / "b"));
  EXPECT_TRUE(fs::is_empty(scratch_ / "c"));
}

TEST_F(Ranks, SayOnceWhatIsWrong) {
  expect_refused(run_on(3, {"capture", scratch_ / "nowhere", "--data", data_, "-o", scratch_ / "out"}),
                 "nowhere");
  EXPECT_FALSE(fs::exists(scratch_ / "out"));
  expect_refused(run_on(2, {"audit", scratch_ / "trace", "-o", scratch_ / "audit"}),
                 "audit runs as one process");
  expect_refused(run_on(2, job("capture", scratch_ / "out", {"--until-stable"})), "--until-stable");
  const auto usage = run_on(2, {"capture", "--no-such-flag"});
  EXPECT_EQ(usage.exit_code, 2);
  EXPECT_EQ(occurrences(usage.err, "there is no flag --no-such-flag"), 1) << usage.err;
  expect_refused(run_on(4, job("capture", scratch_ / "out", {"--ranks", "layers"})), "3 layers");
}

TEST_F(Ranks, SayWhichRankHasOtherPrompts) {
  fs::create_directory(scratch_ / "a");
  fs::create_directory(scratch_ / "b");
  scratch_.file("a/prompts.jsonl", token_prompts());
  scratch_.file("b/prompts.jsonl", token_prompts(3));
  data_ = "prompts.jsonl";
  Words words = {"-wdir", scratch_ / "a"};
  const Words part = on(1, job("capture", scratch_ / "out"));
  words.insert(words.end(), part.begin(), part.end());
  words.insert(words.end(), {":", "-wdir", scratch_ / "b"});
  words.insert(words.end(), part.begin(), part.end());
  const auto outcome = run_program(mpirun(words));
  expect_refused(outcome, "works on something else than rank 0");
  EXPECT_THAT(outcome.err, HasSubstr("rank 1 ("));
}

TEST_F(Ranks, StopWhereOneFailsAndKeepWhatIsWhole) {
  constexpr int kToken = 765;
  data_ = scratch_.file("bad.jsonl", token_prompts(kToken));
  model_ = model_with_nan(kToken);
  for (const char* way : {"prompts", "layers"}) {
    const fs::path out = scratch_ / way;
    const auto outcome = run_on(2, job("capture", out, {"--ranks", way}));
    expect_refused(outcome, "sample \"s249\"");
    EXPECT_THAT(outcome.err, HasSubstr("is NaN or Inf"));
    EXPECT_FALSE(read_json(out / "trace.json")["complete"].get<bool>());
  }
}

TEST_F(Ranks, AKilledRankLosesNothing) {
  const auto whole = alone();
  for (const int ranks : {1, 3}) {
    const fs::path out = scratch_ / fmt::format("out{}", ranks);
    EXPECT_NE(run_with_fault("KILL:1:/records-00004.safetensors", job("capture", out)).exit_code, 0);
    EXPECT_FALSE(read_json(out / "trace.json")["complete"].get<bool>());
    expect_resumed(out, ranks, whole);
  }
}

// To the rank that names the first shard, to the one that names the last, and to mpirun, which tells all.
TEST_F(Ranks, ASignalStopsAllAndLosesNothing) {
  const auto whole = alone();
  const fs::path out = scratch_ / "out";
  const std::pair<const char*, const char*> cases[] = {
      {"TERM:1:/records-00001.safetensors", "committee-audit: interrupted; whole shards are kept"},
      {"TERM:1:/records-00004.safetensors", "): interrupted; whole shards are kept"},
      {"PARENT_INT:1:/records-00003.safetensors", ""}};
  for (const auto& [fault, says] : cases) {
    SCOPED_TRACE(fault);
    fs::remove_all(out);
    const auto outcome = run_with_fault(fault, job("capture", out));
    EXPECT_NE(outcome.exit_code, 0);
    EXPECT_THAT(outcome.err, HasSubstr(says));
    EXPECT_LE(occurrences(outcome.err, "committee-audit: "), 1) << outcome.err;
    expect_resumed(out, 1, whole);
  }
}

TEST_F(Ranks, WithoutThePluginOneSentence) {
  const fs::path program = scratch_ / "committee-audit";
  fs::copy_file(paths::kBinary, program);
  EXPECT_EQ(run_program({program, "--version"}).exit_code, 0);
  expect_refused(run_program(mpirun(on(3, job("capture", scratch_ / "out"), program))),
                 "started as 3 processes");
  EXPECT_FALSE(fs::exists(scratch_ / "out"));
}

}  // namespace
}  // namespace committee::cli
