#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

#include "base/error.h"
#include "parallel/agree.h"
#include "parallel/launcher.h"
#include "parallel/watch.h"

namespace committee::parallel {
namespace {

TEST(Serial, IsOneRankThatKeepsWhatItHas) {
  const auto ranks = serial();
  EXPECT_EQ(ranks->rank(), 0);
  EXPECT_EQ(ranks->size(), 1);
  EXPECT_TRUE(ranks->first());
  auto bytes = payload_of("abc");
  ranks->broadcast(bytes, 0);
  EXPECT_EQ(text_of(bytes), "abc");
  std::array<int64_t, 2> sums = {3, -4};
  ranks->sum(sums);
  EXPECT_EQ(sums, (std::array<int64_t, 2>{3, -4}));
  const auto gathered = ranks->gather(bytes, 0);
  ASSERT_EQ(gathered.size(), 1u);
  EXPECT_EQ(text_of(gathered[0]), "abc");
  ranks->barrier();
  EXPECT_FALSE(ranks->poll(0));
  EXPECT_THROW(ranks->send(1, 0, bytes), Error);
  EXPECT_THROW(ranks->receive(1, 0), Error);
}

TEST(Serial, FailsAsItsWorkDoes) {
  const auto ranks = serial();
  EXPECT_THROW(agree(*ranks, [] { throw std::logic_error("x"); }), std::logic_error);
  Watch watch(*ranks, {});
  EXPECT_THROW(watch.run([] { throw std::logic_error("x"); }, {}), std::logic_error);
}

TEST(Serial, HearsItsOwnReports) {
  const auto ranks = serial();
  Watch watch(*ranks, {});
  watch.run(
      [&] {
        watch.report(5);
        EXPECT_EQ(watch.done(), 5);
        watch.report(9);
      },
      {});
  EXPECT_EQ(watch.done(), 9);
}

class Launcher : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : kNames) ::unsetenv(name);
  }
  void TearDown() override { SetUp(); }
  static constexpr std::array kNames = {
      "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMI_SIZE",
      "SLURM_PROCID",         "SLURM_STEP_NUM_TASKS"};
};

TEST_F(Launcher, NobodyByDefault) {
  EXPECT_FALSE(launched());
  EXPECT_EQ(connect()->size(), 1);
}

TEST_F(Launcher, KnowsOpenMpiMpichAndSlurm) {
  for (size_t i = 0; i < kNames.size(); i += 2) {
    SetUp();
    ::setenv(kNames[i], "2", 1);
    EXPECT_FALSE(launched()) << kNames[i];
    ::setenv(kNames[i + 1], "4", 1);
    ASSERT_TRUE(launched()) << kNames[i];
    EXPECT_EQ(launched()->rank, 2);
    EXPECT_EQ(launched()->size, 4);
  }
}

TEST_F(Launcher, PassesOverWhatIsNoRank) {
  for (const char* size : {"", "x", "2", "-1"}) {
    ::setenv("PMI_RANK", "2", 1);
    ::setenv("PMI_SIZE", size, 1);
    EXPECT_FALSE(launched()) << size;
  }
}

TEST_F(Launcher, OneProcessNeedsNoMpi) {
  ::setenv("OMPI_COMM_WORLD_RANK", "0", 1);
  ::setenv("OMPI_COMM_WORLD_SIZE", "1", 1);
  EXPECT_EQ(connect()->size(), 1);
}

}  // namespace
}  // namespace committee::parallel
