// Ctrl-C in experiments: what was scored is kept, and the command that goes on is said.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "base/json.h"
#include "cli/terminal.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using testing::ContainsRegex;
using testing::HasSubstr;

class InterruptedExperiment : public testing::Test {
 protected:
  // Enough questions that an experiment takes many seconds.
  fs::path many_questions() const {
    std::string lines;
    for (int i = 0; i < 4000; ++i) {
      lines += Json({{"id", std::to_string(i)},
                     {"domain", i % 2 ? "odd" : "even"},
                     {"question",
                      "Is w" + std::to_string(i * 7919 % 4001) + " more than w" + std::to_string(i) + "?"},
                     {"choices", {"yes", "no"}},
                     {"answer", i % 2}})
                   .dump() +
               "\n";
    }
    return scratch_.file("many.jsonl", lines);
  }

  std::vector<std::string> command(const std::string& name, const std::vector<std::string>& more) const {
    std::vector<std::string> words = {
        name, model_, "--data", scratch_ / "many.jsonl", "-o", out(), "--threads", "1", "--compute", "f32"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  // Sends the signal when the terminal has got `text`; the state must be one that --resume takes.
  void stop_and_go_on(const std::string& name, const std::vector<std::string>& flags, const std::string& text,
                      int signal) const {
    TerminalSession session(command(name, flags), 300);
    ASSERT_TRUE(session.wait_for(text));
    session.send(signal);
    const auto outcome = session.finish();
    EXPECT_EQ(outcome.exit_code, 128 + signal) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("interrupted"));
    EXPECT_THAT(outcome.err,
                ContainsRegex("go on with: [^\r\n]*committee-audit " + name + " [^\r\n]* --resume"));
    EXPECT_EQ(outcome.out, "");
    auto resumed = flags;
    resumed.push_back("--resume");
    TerminalSession again(command(name, resumed));
    EXPECT_TRUE(again.wait_for(" left")) << again.finish().err;
    again.send(SIGTERM);
    EXPECT_EQ(again.finish().exit_code, 128 + SIGTERM);
  }

  fs::path out() const { return scratch_ / "out"; }

  Scratch scratch_;
  const std::string model_ = scratch_.model();
  const fs::path data_ = many_questions();
};

TEST_F(InterruptedExperiment, Mask) {
  stop_and_go_on("mask", {"--experts", "1:2", "--controls", "10"}, " left", SIGINT);
}

TEST_F(InterruptedExperiment, SweepOnAModel) {
  stop_and_go_on("sweep", {"--k", "2,3,4,8"}, " left", SIGTERM);
  EXPECT_FALSE(read_json(out() / "sweep.json").at("complete").get<bool>());
  EXPECT_FALSE(read_json(out() / "trace-k8/trace.json").at("complete").get<bool>());
}

TEST_F(InterruptedExperiment, BalanceOnAModelWhileItRecords) {
  stop_and_go_on("balance", {}, " left", SIGINT);
}

}  // namespace
}  // namespace committee::cli
