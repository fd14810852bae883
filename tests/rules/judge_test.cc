#include "rules/judge.h"

#include <gtest/gtest.h>

#include "rules/samples/samples.h"
#include "tests/support/manual_clock.h"

namespace fettle::rules {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Court {
  Court() {
    EXPECT_TRUE(samples.Append({{{Labels{{"__name__", "up"}, {"job", "a"}}, 1, At(10)},
                                 {Labels{{"__name__", "up"}, {"job", "b"}}, 0, At(10)}}}));
  }
  static Time At(std::int64_t second) { return TimeFromMillis(second * 1000); }
  // "labels=value" of each sample, or the complaint.
  std::vector<std::string> Ask(std::string_view expression, std::int64_t second = 20) const {
    const auto answer = judge.Ask(expression, At(second), seconds(5));
    if (!answer) return {answer.error().message};
    std::vector<std::string> out;
    for (const Sample& sample : *answer) {
      EXPECT_EQ(sample.at, At(second));
      out.push_back(fmt::format("{}={}", sample.labels.ToString(), sample.value));
    }
    return out;
  }
  ManualClock clock;
  SampleStore samples{SampleStoreOptions{}};
  promql::Engine engine{{samples, clock}, {}};
  EngineJudge judge{{engine, clock}};
};
using Lines = std::vector<std::string>;

TEST(JudgeTest, AnswersWithTheElementsOfAVector) {
  const Court court;
  EXPECT_EQ(court.Ask("up"), (Lines{R"(up{job="a"}=1)", R"(up{job="b"}=0)"}));
  EXPECT_EQ(court.Ask("up == 0"), (Lines{R"(up{job="b"}=0)"}));
  EXPECT_EQ(court.Ask("sum(up)"), Lines{"{}=1"});
}

TEST(JudgeTest, AScalarIsOneSampleAndNothingIsAnAnswer) {
  const Court court;
  EXPECT_EQ(court.Ask("1 + 1"), Lines{"{}=2"});
  EXPECT_EQ(court.Ask("up == 7"), Lines{});
  EXPECT_EQ(court.Ask("up", 1000), Lines{});
}

TEST(JudgeTest, SaysWhatAComparisonCompares) {
  const Court court;
  EXPECT_EQ(court.judge.Compared("sum(up)  < 5"), "sum(up)");
  EXPECT_EQ(court.judge.Compared("((up + 1 > 2))"), "up + 1");
  for (const char* none : {"up", "up and up > 1", "up + 1", "up >"}) {
    EXPECT_EQ(court.judge.Compared(none), "") << none;
  }
}

TEST(JudgeTest, ChecksWithThePosition) {
  const Court court;
  EXPECT_TRUE(court.judge.Check("up == 0"));
  const auto complaint = [&](std::string_view expression) {
    const Status status = court.judge.Check(expression);
    return status ? "fine" : status.error().message;
  };
  EXPECT_EQ(complaint("up ="), "1:4: parse error: unexpected \"=\"");
  EXPECT_EQ(complaint(" up[5m]"),
            "1:2: an instant vector or a scalar is needed, not a range vector");
  EXPECT_EQ(complaint("\"up\""), "1:1: an instant vector or a scalar is needed, not a string");
}

TEST(JudgeTest, SaysWhatWentWrong) {
  const Court court;
  EXPECT_EQ(court.Ask("up + on() up"),
            Lines{"evaluating up + on() up: found duplicate series for the match group {} on the "
                  "right hand-side of the operation: [{__name__=\"up\", job=\"a\"}, "
                  "{__name__=\"up\", job=\"b\"}];many-to-many matching not allowed: matching "
                  "labels must be unique on one side"});
  const auto late = court.judge.Ask("up", Court::At(20), milliseconds(0));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().cause, Cause::kTimeout);
}

}  // namespace
}  // namespace fettle::rules
