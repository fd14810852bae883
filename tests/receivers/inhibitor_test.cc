#include "receivers/inhibitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace fettle::receivers {
namespace {

using namespace std::chrono_literals;

const Time kNow = TimeFromMillis(1'767'225'600'000);
const Moment kMoment{kNow, BootTime(1h)};

InhibitRule Rule(const std::string& source, const std::string& target,
                 std::vector<std::string> equal = {}) {
  return {"", ParseMatchers(source).value(), ParseMatchers(target).value(), std::move(equal)};
}

LiveAlert Live(Labels labels, Time ends) {
  LiveAlert live;
  live.fingerprint = labels.Fingerprint();
  live.alert = {std::move(labels), {}, kNow - 1h, ends, ""};
  return live;
}
LiveAlert Firing(Labels labels) { return Live(std::move(labels), kNow + 1h); }
LiveAlert Over(Labels labels) { return Live(std::move(labels), kNow - 1min); }

const Labels kCritical{{"alertname", "Down"}, {"host", "a"}, {"sev", "critical"}};
const Labels kWarning{{"alertname", "Slow"}, {"host", "a"}, {"sev", "warning"}};

TEST(InhibitorTest, AFiringSourceOfTheSameLabelsQuietsItsTarget) {
  Inhibitor inhibitor({Rule("sev=critical", "sev=warning", {"host"})});
  EXPECT_EQ(inhibitor.QuietBecauseOf(kWarning, kNow), std::nullopt);
  inhibitor.Consider(Firing(kCritical), kMoment);
  EXPECT_EQ(inhibitor.QuietBecauseOf(kWarning, kNow), kCritical.Fingerprint());
  EXPECT_EQ(inhibitor.QuietBecauseOf({{"host", "b"}, {"sev", "warning"}}, kNow), std::nullopt);
  EXPECT_EQ(inhibitor.QuietBecauseOf({{"host", "a"}, {"sev", "info"}}, kNow), std::nullopt);
  EXPECT_EQ(inhibitor.QuietBecauseOf(kCritical, kNow), std::nullopt);
}

TEST(InhibitorTest, AMissingLabelEqualsAMissingLabel) {
  Inhibitor inhibitor({Rule("sev=critical", "sev=warning", {"host", "zone"})});
  inhibitor.Consider(Firing({{"sev", "critical"}}), kMoment);
  EXPECT_TRUE(inhibitor.QuietBecauseOf({{"sev", "warning"}}, kNow));
  EXPECT_FALSE(inhibitor.QuietBecauseOf({{"sev", "warning"}, {"zone", "x"}}, kNow));
}

TEST(InhibitorTest, ASourceThatIsOverQuietsNothing) {
  Inhibitor inhibitor({Rule("sev=critical", "sev=warning", {"host"})});
  inhibitor.Consider(Firing(kCritical), kMoment);
  inhibitor.Consider(Over(kCritical), kMoment);
  EXPECT_EQ(inhibitor.QuietBecauseOf(kWarning, kNow), std::nullopt);
  // Its end may also just come, before anybody says so.
  inhibitor.Consider(Firing(kCritical), kMoment);
  EXPECT_EQ(inhibitor.QuietBecauseOf(kWarning, kNow + 2h), std::nullopt);
}

// Alertmanager 0.30 to 0.34 keeps one source a slot and forgets the others.
TEST(InhibitorTest, WhenOneOfTwoSourcesEndsTheOtherStillQuiets) {
  Inhibitor inhibitor({Rule("sev=critical", "sev=warning", {"host"})});
  const Labels other{{"alertname", "Gone"}, {"host", "a"}, {"sev", "critical"}};
  inhibitor.Consider(Live(other, kNow + 10min), kMoment);
  inhibitor.Consider(Live(kCritical, kNow + 20min), kMoment);
  inhibitor.Consider(Over(kCritical), kMoment);
  EXPECT_EQ(inhibitor.QuietBecauseOf(kWarning, kNow), other.Fingerprint());
}

TEST(InhibitorTest, AlertsOnBothSidesDoNotQuietEachOther) {
  Inhibitor inhibitor({Rule("alertname=~\".*\"", "alertname=~\".*\"")});
  inhibitor.Consider(Firing(kCritical), kMoment);
  EXPECT_EQ(inhibitor.QuietBecauseOf(kWarning, kNow), std::nullopt);
  EXPECT_EQ(inhibitor.QuietBecauseOf(kCritical, kNow), std::nullopt);
}

TEST(InhibitorTest, AnAlertOnBothSidesIsQuietBecauseOfOneThatIsOnlyASource) {
  Inhibitor inhibitor({Rule("a=1", "b=1")});
  const Labels both{{"a", "1"}, {"b", "1"}};
  const Labels only_source{{"a", "1"}};
  const Labels only_target{{"b", "1"}};
  inhibitor.Consider(Firing(both), kMoment);
  EXPECT_EQ(inhibitor.QuietBecauseOf(both, kNow), std::nullopt);
  EXPECT_EQ(inhibitor.QuietBecauseOf(only_target, kNow), both.Fingerprint());
  // A slot with a two-sided source does not hide a one-sided one.
  inhibitor.Consider(Firing(only_source), kMoment);
  EXPECT_EQ(inhibitor.QuietBecauseOf(both, kNow), only_source.Fingerprint());
}

TEST(InhibitorTest, AnEmptyRuleQuietsNothing) {
  Inhibitor inhibitor({InhibitRule{}});
  inhibitor.Consider(Firing(kCritical), kMoment);
  EXPECT_EQ(inhibitor.QuietBecauseOf(kWarning, kNow), std::nullopt);
}

// The index must say what a scan of all alerts would.
class InhibitorSeedTest : public testing::TestWithParam<unsigned> {};

TEST_P(InhibitorSeedTest, TheIndexAgreesWithAScan) {
  std::mt19937 random(GetParam());
  const std::vector<InhibitRule> rules = {
      Rule("a=1", "b=1", {"x"}), Rule("a=~\"1|2\", b!=1", "c=1"), Rule("c=1", "a=1", {"x", "y"})};
  Inhibitor inhibitor(rules);
  std::map<std::uint64_t, LiveAlert> alerts;
  const auto some_labels = [&] {
    Labels labels{{"alertname", std::to_string(random() % 3)}};
    for (const char* name : {"a", "b", "c", "x", "y"}) {
      labels.Set(name, std::to_string(random() % 3));
    }
    return labels;
  };
  for (int step = 0; step < 300; ++step) {
    const LiveAlert alert = random() % 3 == 0 ? Over(some_labels()) : Firing(some_labels());
    alerts[alert.fingerprint] = alert;
    inhibitor.Consider(alert, kMoment);
    const Labels target = some_labels();
    bool quiet = false;
    for (const InhibitRule& rule : rules) {
      if (!MatchAll(rule.target, target)) continue;
      for (const auto& [fingerprint, source] : alerts) {
        const Labels& labels = source.alert.labels;
        bool equal = true;
        for (const std::string& name : rule.equal) equal &= labels.Get(name) == target.Get(name);
        const bool both = MatchAll(rule.source, target) && MatchAll(rule.target, labels);
        quiet |= equal && !both && !source.alert.ResolvedAt(kNow) && MatchAll(rule.source, labels);
      }
    }
    ASSERT_EQ(inhibitor.QuietBecauseOf(target, kNow).has_value(), quiet) << "step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, InhibitorSeedTest, testing::Range(0u, 20u));

}  // namespace
}  // namespace fettle::receivers
