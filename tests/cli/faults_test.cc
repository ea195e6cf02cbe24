// Disks that fill up, folders that cannot be written, processes that are killed, shards that rot: one
// sentence each, and nothing lost (docs/robustness.md).

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <map>

#include "cli/tool.h"
#include "paths.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// Every file below a folder.
std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[fs::relative(entry.path(), folder).string()] = read_text(entry.path());
  }
  return files;
}

// tests/faults/faults.cc, which the build puts beside the program.
std::string library() {
  return fs::path(paths::kBinary).parent_path() / "tests/faults/libcommittee_faults.so";
}

class Faults : public testing::Test {
 protected:
  std::vector<std::string> command(const std::string& name, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {paths::kBinary,   name,        model_, "--data",  prompts(),   "-o",
                                      scratch_ / "out", "--threads", "1",    "--quiet", "--compute", "f32"};
    if (name == "run") {
      for (const char* flag : {"--bootstrap", "--permutations", "--expert-shuffles"})
        words.insert(words.end(), {flag, "2"});
    }
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  static Outcome with_fault(const std::string& fault, const std::vector<std::string>& words) {
    std::vector<std::string> all = {"/usr/bin/env", "LD_PRELOAD=" + library(), "COMMITTEE_FAULT=" + fault};
    // Under AddressSanitizer its library would want to be the first.
    const char* options = std::getenv("ASAN_OPTIONS");
    all.push_back(std::string("ASAN_OPTIONS=verify_asan_link_order=0:") + (options ? options : ""));
    all.insert(all.end(), words.begin(), words.end());
    return run_program(all);
  }

  // Runs with the fault at its first, second, ... place until it meets none; after each, --resume must end in
  // the files of an undisturbed run. Returns how many places failed.
  int expect_nothing_lost(const std::string& function, const std::string& what, const std::string& says) {
    const fs::path out = scratch_ / "out";
    fs::remove_all(out);
    EXPECT_EQ(run_program(command("run")).exit_code, 0);
    const auto wanted = files_of(out);
    int failed = 0;
    for (int place = 1; place < 200; place += 1 + place / 2) {
      SCOPED_TRACE(function + " " + what + " " + std::to_string(place));
      fs::remove_all(out);
      const auto outcome =
          with_fault(function + ":" + what + ":" + std::to_string(place) + ":/out/", command("run"));
      if (outcome.exit_code == 0) break;
      ++failed;
      if (!says.empty()) {
        EXPECT_EQ(outcome.exit_code, 1);
        EXPECT_THAT(outcome.err, testing::StartsWith("committee-audit: "));
        EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
        EXPECT_THAT(outcome.err, HasSubstr(says));
        EXPECT_THAT(outcome.err, HasSubstr(out.string()));
      }
      const auto resumed = run_program(command("run", {"--resume"}));
      EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
      EXPECT_EQ(files_of(out), wanted);
    }
    return failed;
  }

  Scratch scratch_;
  const std::string model_ = scratch_.model();
};

TEST_F(Faults, AFullDisk) {
  EXPECT_GE(expect_nothing_lost("write", "ENOSPC", "No space left on device"), 4);
  EXPECT_GE(expect_nothing_lost("posix_fallocate", "ENOSPC", "No space left on device"), 1);
}

TEST_F(Faults, ADiskThatFails) {
  EXPECT_GE(expect_nothing_lost("fsync", "EIO", "Input/output error"), 4);
  EXPECT_GE(expect_nothing_lost("rename", "EIO", "Input/output error"), 4);
  EXPECT_GE(expect_nothing_lost("ftruncate", "EIO", "Input/output error"), 0);
}

TEST_F(Faults, AReadOnlyFolder) {
  EXPECT_GE(expect_nothing_lost("open", "EROFS", "Read-only file system"), 4);
}

// Before every file of capture, audit and report appears under its name, and before it is synced.
TEST_F(Faults, AKillAnywhereInARun) {
  EXPECT_GE(expect_nothing_lost("rename", "KILL", ""), 4);
  EXPECT_GE(expect_nothing_lost("fsync", "KILL", ""), 4);
}

// Four shards; the signal comes before the manifest, a shard, its journal or the last files get their names.
TEST_F(Faults, ASignalAnywhereInACaptureOfSeveralShards) {
  std::string lines;
  for (int i = 0; i < 250; ++i) {
    lines += R"({"id":"s)" + std::to_string(i) + R"(","domain":"d)" + std::to_string(i % 3) +
             R"(","tokens":[1,)" + std::to_string(2 + i) + "]}\n";
  }
  const fs::path out = scratch_ / "out", data = scratch_.file("tokens.jsonl", lines);
  const auto capture = [&](const std::vector<std::string>& more) {
    auto words = command("capture", more);
    *std::find(words.begin(), words.end(), prompts().string()) = data;
    return words;
  };
  ASSERT_EQ(run_program(capture({})).exit_code, 0);
  const auto wanted = files_of(out);
  ASSERT_TRUE(wanted.contains("records-00004.safetensors"));
  for (const auto& [name, number] : {std::pair("INT", SIGINT), std::pair("TERM", SIGTERM)}) {
    int stopped = 0;
    for (int place = 1;; place += 2) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(place));
      fs::remove_all(out);
      const auto outcome =
          with_fault("rename:" + std::string(name) + ":" + std::to_string(place) + ":/out/", capture({}));
      if (outcome.exit_code == 0) break;
      ++stopped;
      EXPECT_EQ(outcome.exit_code, 128 + number);
      EXPECT_THAT(outcome.err, HasSubstr("go on with: "));
      const auto resumed = run_program(capture({"--resume"}));
      EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
      EXPECT_EQ(files_of(out), wanted);
    }
    EXPECT_GE(stopped, 5);
  }
}

TEST_F(Faults, AFullStandardOutput) {
  const fs::path out = scratch_ / "out";
  ASSERT_EQ(run_program(command("run")).exit_code, 0);
  const auto before = files_of(out);
  const std::string report = std::string(paths::kBinary) + " report " + (out / "audit").string();
  auto outcome = run_program({"/bin/sh", "-c", report + " >/dev/full"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("committee-audit: "));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  outcome = run_program({"/bin/sh", "-c", report + " >&-"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  // A reader that has seen enough is no failure to speak of.
  outcome = run_program({"/bin/sh", "-c", report + " | head -c 1"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out.size(), 1u);
  EXPECT_EQ(files_of(out), before);
}

TEST_F(Faults, AShardThatIsGoneOrHasOneBitFlipped) {
  const fs::path out = scratch_ / "out", trace = out / "trace", shard = trace / "records-00001.safetensors";
  ASSERT_EQ(run_program(command("run")).exit_code, 0);
  const auto wanted = files_of(out);
  const auto audit = [&] {
    return run_tool({"audit", trace, "-o", scratch_ / "again", "--overwrite", "--bootstrap", "0",
                     "--permutations", "0", "--expert-shuffles", "0"});
  };
  const std::string whole = read_text(shard);
  for (const size_t byte : {size_t{1200}, whole.size() / 2, whole.size() - 1}) {
    std::string flipped = whole;
    flipped[byte] = static_cast<char>(flipped[byte] ^ 1);
    std::ofstream(shard, std::ios::binary) << flipped;
    const auto outcome = audit();
    EXPECT_EQ(outcome.exit_code, 1) << "byte " << byte;
    EXPECT_THAT(outcome.err, HasSubstr("records-00001.safetensors"));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_FALSE(fs::exists(scratch_ / "again/audit.json"));
    ASSERT_EQ(run_program(command("run", {"--resume"})).exit_code, 0);
    EXPECT_EQ(files_of(out), wanted);
  }
  fs::remove(shard);
  EXPECT_THAT(audit().err, HasSubstr("records-00001.safetensors"));
  ASSERT_EQ(run_program(command("run", {"--resume"})).exit_code, 0);
  EXPECT_EQ(files_of(out), wanted);
}

TEST_F(Faults, ASecondProcessIsKeptOut) {
  const fs::path out = scratch_ / "out";
  fs::create_directories(out / "trace");
  const int held = ::open((out / "trace/trace.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(::flock(held, LOCK_EX | LOCK_NB), 0);
  for (const char* flag : {"--resume", "--overwrite"}) {
    const auto outcome = run_program(command("run", {flag}));
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("another process is writing this folder"));
  }
  ::close(held);
  EXPECT_EQ(run_program(command("run", {"--resume"})).exit_code, 0);
}

// What was begun with other settings is refused by name and left as it is.
TEST_F(Faults, ResumingSomethingElseSaysWhatChanged) {
  const fs::path out = scratch_ / "out";
  ASSERT_EQ(run_program(command("capture")).exit_code, 0);
  const auto before = files_of(out);
  const auto refused = [&](const std::vector<std::string>& more) {
    auto words = command("capture", {"--resume"});
    words.insert(words.end(), more.begin(), more.end());
    const auto outcome = run_program(words);
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(files_of(out), before);
    return outcome.err;
  };
  EXPECT_THAT(refused({"--template", "plain"}), HasSubstr("template"));
  EXPECT_THAT(refused({"--positions", "all"}), HasSubstr("recorded positions"));
  EXPECT_THAT(refused({"--record", "topk"}), HasSubstr("record"));
  EXPECT_THAT(refused({"--top-k", "2"}), HasSubstr("top k"));
  EXPECT_THAT(refused({"--seed", "9"}), HasSubstr("the option seed was \"0\" and is now \"9\""));
  EXPECT_THAT(refused({"--limit", "1"}), HasSubstr("the option limit was \"not set\" and is now \"1\""));
  const std::string data = read_text(prompts());
  auto other = command("capture", {"--resume"});
  *std::find(other.begin(), other.end(), prompts().string()) =
      scratch_.file(prompts().filename(), data.substr(0, data.rfind('\n', data.size() - 2) + 1));
  EXPECT_THAT(run_program(other).err, HasSubstr("the data's fingerprint was"));
  std::string config = read_text(fs::path(model_) / "config.json");
  config.replace(config.find("1e-05"), 5, "2e-05");
  scratch_.file("model/config.json", config);
  EXPECT_THAT(refused({}), HasSubstr("the model's fingerprint was"));
}

}  // namespace
}  // namespace committee::cli
