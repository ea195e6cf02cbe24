// What a person at a terminal sees: progress, Ctrl-C, suggestions; and what a program gets with --json.

#include "cli/terminal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "base/json.h"
#include "cli/progress.h"
#include "paths.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Terminal : public testing::Test {
 protected:
  // Enough prompts, none like another, that a capture takes seconds.
  fs::path many_prompts() const {
    std::string lines;
    for (int i = 0; i < 6000; ++i) {
      std::string text;
      for (int word = 0; word < 60; ++word) text += "w" + std::to_string(i * 7919 % 6007 + word * 31) + " ";
      lines += R"({"id":")" + std::to_string(i) + R"(","domain":"d)" + std::to_string(i % 3) +
               R"(","text":")" + text + "\"}\n";
    }
    return scratch_.file("many.jsonl", lines);
  }
  std::vector<std::string> capture(const fs::path& data, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"capture", model_,      "--data", data,        "-o",
                                      trace(),   "--threads", "1",      "--compute", "f32"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  fs::path trace() const { return scratch_ / "trace"; }

  Scratch scratch_;
  const std::string model_ = scratch_.model();
};

TEST_F(Terminal, ProgressIsOneLineWithTokensRateAndLayer) {
  TerminalSession session(capture(many_prompts()));
  ASSERT_TRUE(session.wait_for(" left")) << session.finish().err;
  session.send(SIGTERM);
  const auto outcome = session.finish();
  EXPECT_THAT(outcome.err, testing::ContainsRegex("layer [0-9]+ of [0-9]+"));
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("tokens, "), HasSubstr("/s, "), HasSubstr("\r\x1b[K")));
  EXPECT_EQ(outcome.out, "");
}

TEST_F(Terminal, NothingOnStderrWhenQuiet) {
  TerminalSession session(capture(prompts(), {"--quiet"}));
  const auto outcome = session.finish();
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out, "");
}

// stderr of a test is no terminal: a pipe or a file.
TEST(ProgressInAPipe, IsLinesWithoutEscapeCodes) {
  const auto shown = [](bool quiet) {
    testing::internal::CaptureStderr();
    {
      Progress progress(quiet, Progress::Clock::duration::zero());
      progress.update(500, 2000, "layer 1 of 4", "tokens");
      progress.update(500, 2000, "layer 1 of 4", "tokens");
      progress.update(2000, 2000, "layer 4 of 4", "tokens");
    }
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_THAT(shown(false),
              testing::MatchesRegex(" 25%  layer 1 of 4  500 of 2000 tokens, [^ ]*/s, [0-9:]+ left\n"
                                    "100%  layer 4 of 4  2000 of 2000 tokens, [^ ]*/s, 0:00 left\n"));
  EXPECT_EQ(shown(true), "");
}

TEST_F(Terminal, APipeGetsPlainLines) {
  const auto outcome = run_tool(capture(prompts()));
  ASSERT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("8 prompts, "), testing::EndsWith("\n")));
  EXPECT_THAT(outcome.err, Not(testing::ContainsRegex("[\r\x1b]")));
  EXPECT_EQ(run_tool(capture(prompts(), {"--overwrite", "--quiet"})).err, "");
}

// auto: colours on a terminal, unless NO_COLOR is set. script, of the system's essential packages, has a
// terminal.
TEST_F(Terminal, ColoursAreForTerminalsThatWantThem) {
  const std::string audit = scratch_ / "audit";
  ASSERT_EQ(run_tool(capture(prompts(), {"-q"})).exit_code, 0);
  ASSERT_EQ(
      run_tool({"audit", trace(), "-o", audit, "--bootstrap", "5", "--permutations", "5", "-q"}).exit_code,
      0);
  EXPECT_THAT(run_tool({"report", audit}).out, Not(HasSubstr("\x1b[")));
  EXPECT_THAT(run_tool({"report", audit, "--color", "always"}).out, HasSubstr("\x1b["));
  const auto on_terminal = [&](const std::string& before, const std::string& flags) {
    const std::string line = before + " '" + paths::kBinary + "' report '" + audit + "' " + flags;
    return run_program({"/usr/bin/script", "-qec", line, "/dev/null"}).out;
  };
  EXPECT_THAT(on_terminal("NO_COLOR=", ""), HasSubstr("\x1b["));
  EXPECT_THAT(on_terminal("NO_COLOR=1", ""), Not(HasSubstr("\x1b[")));
  EXPECT_THAT(on_terminal("NO_COLOR=1", "--color always"), HasSubstr("\x1b["));
  EXPECT_THAT(on_terminal("NO_COLOR=", "--color never"), Not(HasSubstr("\x1b[")));
}

TEST_F(Terminal, CtrlCLeavesWhatCanBeResumedAndSaysHow) {
  const fs::path data = many_prompts();
  TerminalSession session(capture(data, {"--limit", "40", "--overwrite"}), 60);
  const auto whole = session.finish();
  ASSERT_EQ(whole.exit_code, 0) << whole.err;

  for (const int signal : {SIGINT, SIGTERM}) {
    TerminalSession stopped(capture(data, {"--overwrite"}), 300);
    ASSERT_TRUE(stopped.wait_for(" left"));
    stopped.send(signal);
    const auto outcome = stopped.finish();
    EXPECT_EQ(outcome.exit_code, 128 + signal);
    EXPECT_THAT(outcome.err, HasSubstr("interrupted after "));
    EXPECT_THAT(outcome.err,
                testing::ContainsRegex("go on with: [^\r\n]*committee-audit capture [^\r\n]* --resume"));
    EXPECT_THAT(outcome.err, Not(HasSubstr("--overwrite")));
    EXPECT_FALSE(read_json(trace() / "trace.json").at("complete").get<bool>());
  }
  TerminalSession again(capture(data, {"--resume"}));
  EXPECT_TRUE(again.wait_for(" left"));  // it goes on; to the end, faults_test.cc does
}

TEST_F(Terminal, ResumeBeginsWhereNothingWas) {
  const auto capture_to = [&](const std::string& name, const std::string& flag) {
    return run_tool({"capture", model_, "--data", prompts(), "-o", scratch_ / name, "--quiet", flag});
  };
  ASSERT_EQ(capture_to("one", "--overwrite").exit_code, 0);
  ASSERT_EQ(capture_to("two", "--resume").exit_code, 0);
  for (const char* file : {"trace.json", "samples.jsonl", "records-00001.safetensors"}) {
    EXPECT_EQ(read_text(scratch_ / "one" / file), read_text(scratch_ / "two" / file));
  }
}

TEST_F(Terminal, SlipsAreToldWhatIsNearest) {
  const auto said = [](const std::vector<std::string>& words, int code) {
    const auto outcome = run_tool(words);
    EXPECT_EQ(outcome.exit_code, code) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    return outcome.err;
  };
  EXPECT_THAT(said({"captur"}, 2), HasSubstr("there is no command captur; did you mean capture?"));
  EXPECT_THAT(said({}, 2), HasSubstr("a command is missing"));
  EXPECT_THAT(said({"capture", model_, "--dta", "x", "-o", "y"}, 2),
              AllOf(HasSubstr("there is no flag --dta; did you mean --data?"),
                    HasSubstr("Run committee-audit capture --help")));
  EXPECT_THAT(said({"audit", "t", "-o", "a", "--bootstap=3"}, 2), HasSubstr("did you mean --bootstrap?"));
  EXPECT_THAT(
      said({"audit", "t", "-o", "a", "--eci", "rooting"}, 2),
      HasSubstr("\"rooting\" is none of routing, executed, frequency, reference; did you mean routing?"));
  EXPECT_THAT(said({"audit", "t", "-o", "a", "--frobnicate"}, 2), Not(HasSubstr("did you mean")));
  const std::string file = scratch_.file("prompts.jsonl", read_text(prompts()));
  EXPECT_THAT(said({"capture", model_, "--data", scratch_ / "promts.jsonl", "-o", trace(), "-q"}, 1),
              HasSubstr("; did you mean " + file + "?"));
}

TEST_F(Terminal, JsonIsOneDocumentAndNothingElse) {
  const auto document = [](const std::vector<std::string>& words) {
    const auto outcome = run_tool(words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    Json json = Json::parse(outcome.out);
    if (words[0] != "report" && words[0] != "audit") {
      EXPECT_EQ(json.at("format"), "committee-audit " + words[0]);
      EXPECT_TRUE(json.at("version").is_string());
      EXPECT_THAT(json.at("command"), testing::StartsWith("committee-audit " + words[0]));
    }
    return json;
  };
  const std::string out = scratch_ / "out", audit = out + "/audit";
  const std::vector<std::string> few = {"--bootstrap", "5", "--permutations", "5", "--expert-shuffles",
                                        "5",           "-q"};
  std::vector<std::string> run = {"run", model_, "--data", prompts(), "-o", out, "--json"};
  run.insert(run.end(), few.begin(), few.end());
  const Json main_job = document(run);
  EXPECT_EQ(main_job.at("capture").at("prompts"), 8);
  EXPECT_EQ(main_job.at("audits").at(0).at("result"), read_json(audit + "/audit.json"));
  EXPECT_EQ(document({"report", audit, "--json"}), read_json(audit + "/audit.json"));
  EXPECT_EQ(document({"report", audit, audit, "--json"}).size(), 2U);
  EXPECT_EQ(document({"inspect", model_, "--json"}).at("family"), "olmoe");
  EXPECT_EQ(document({"audit", out + "/trace", "-o", scratch_ / "a", "--json", "-q"}).at("samples"), 8);
  const Json reference = document(
      {"audit", out + "/trace", "-o", scratch_ / "r", "--eci", "reference", "--k", "4", "--json", "-q"});
  EXPECT_TRUE(reference.at("reference").at(0).is_object());
  const Json sweep =
      document({"sweep", out + "/trace", "-o", scratch_ / "s", "--k", "2,4", "--bootstrap", "5", "--json"});
  EXPECT_EQ(sweep.at("sweep").at(0).at("k"), 2);
  EXPECT_TRUE(sweep.at("sweep").at(0).at("committee").is_array());
  const Json exported = document({"export", audit, "--to", "eplb", "-o", scratch_ / "loads.json", "--json"});
  EXPECT_EQ(exported.at("files"), Json::array({(scratch_ / "loads.json").string()}));
  EXPECT_EQ(exported.at("model").at("name"), main_job.at("audits").at(0).at("result").at("model").at("name"));
  EXPECT_EQ(document({"export", audit, "--to", "tensorrt-llm", "-o", scratch_ / "trt", "--json"})
                .at("files")
                .size(),
            2U);
  EXPECT_EQ(document({"compare", audit, audit, "-o", scratch_ / "compared", "--json"}).at("audits").size(),
            2U);
  const Json tokenized = document({"tokenize", model_, "--text", "a b", "--json"});
  EXPECT_EQ(tokenized.at("texts").at(0).at("ids").size(), tokenized.at("texts").at(0).at("tokens").size());
  EXPECT_EQ(document({"merge", out + "/trace", "-o", scratch_ / "m", "--json", "-q"}).at("samples"), 8);
  EXPECT_EQ(
      document({"capture", model_, "--data", prompts(), "-o", scratch_ / "c", "--json", "-q"}).at("prompts"),
      8);
}

}  // namespace
}  // namespace committee::cli
