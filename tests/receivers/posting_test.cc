#include "receivers/posting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fettle::receivers {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

using namespace std::chrono_literals;

const Time kNow = TimeFromMillis(1'767'225'600'000);

Alert Named(const std::string& name, Time starts = Time{}, Time ends = Time{}) {
  return {Labels{{"alertname", name}}, {}, starts, ends, ""};
}

Checked Check(Alert alert, AlertSource source = AlertSource::kApi) {
  return CheckAlerts({source, {std::move(alert)}}, PostingDefaults{}, kNow);
}

TEST(PostingTest, AnAlertWithoutTimesStartsNowAndTimesOut) {
  const LiveAlert live = Check(Named("a")).posting.alerts.at(0);
  EXPECT_EQ(live.alert.starts_at, kNow);
  EXPECT_EQ(live.alert.ends_at, kNow + 5min);
  EXPECT_TRUE(live.times_out);
  EXPECT_EQ(live.updated_at, kNow);
  EXPECT_EQ(live.fingerprint, (Labels{{"alertname", "a"}}).Fingerprint());
}

TEST(PostingTest, AnAlertWithOnlyAnEndStartsThere) {
  const LiveAlert live = Check(Named("a", Time{}, kNow - 1h)).posting.alerts.at(0);
  EXPECT_EQ(live.alert.starts_at, kNow - 1h);
  EXPECT_FALSE(live.times_out);
  EXPECT_TRUE(live.alert.ResolvedAt(kNow));
}

TEST(PostingTest, AnAlertOfTheWebhookIsBelievedLonger) {
  const LiveAlert live = Check(Named("a", kNow - 1h), AlertSource::kWebhook).posting.alerts.at(0);
  EXPECT_EQ(live.alert.ends_at, kNow + 5h);
  EXPECT_TRUE(live.times_out);
}

TEST(PostingTest, AnAlertOfTheFutureDoesNotEndBeforeItStarts) {
  const LiveAlert live = Check(Named("a", kNow + 1h)).posting.alerts.at(0);
  EXPECT_EQ(live.alert.ends_at, kNow + 1h + 5min);
}

TEST(PostingTest, ComplainsInAlertmanagersWordsAndKeepsTheOthers) {
  struct Case {
    Alert alert;
    std::string complaint;
  };
  Alert long_one = Named("a");
  long_one.annotations.Set("text", std::string(kAlertBytesMax, 'x'));
  Alert odd = Named("a");
  odd.annotations.Set("text", "\xff");
  const Case cases[] = {
      {Alert{}, "at least one label pair required"},
      {{Labels{{"a", ""}}, {}, kNow, Time{}, ""}, "at least one label pair required"},
      {{Labels{{"", "x"}}, {}, kNow, Time{}, ""}, R"(invalid label set: invalid name "")"},
      {{Labels{{"a", "\xff"}}, {}, kNow, Time{}, ""}, R"(invalid label set: invalid value "\xff")"},
      {Named("a", kNow, kNow - 1s), "start time must be before end time"},
      {odd, R"(invalid annotation set: invalid value "\xff")"},
      {long_one, "the alert has 524302 bytes of labels and annotations, more than 524288"},
  };
  for (const Case& c : cases) {
    const Checked checked =
        CheckAlerts({AlertSource::kApi, {c.alert, Named("good")}}, PostingDefaults{}, kNow);
    EXPECT_THAT(checked.complaints, ElementsAre(c.complaint));
    EXPECT_THAT(checked.posting.alerts, SizeIs(1));
  }
}

// One line of Alertmanager's merge rules: what was believed, what is heard at `at`, what is
// believed then. Times are minutes; a `~` marks an end that is only a time-out.
struct MergeCase {
  std::string name;
  int old_start, old_end;
  bool old_times_out;
  int at, start, end;
  bool times_out;
  int want_start, want_end;
  bool want_times_out;
};

class MergeTest : public testing::TestWithParam<MergeCase> {};

LiveAlert Live(int start, int end, bool times_out, int updated, const std::string& text) {
  LiveAlert live;
  live.alert = {Labels{{"alertname", "a"}}, Labels{{"text", text}},
                kNow + std::chrono::minutes(start), kNow + std::chrono::minutes(end), ""};
  live.times_out = times_out;
  live.updated_at = kNow + std::chrono::minutes(updated);
  return live;
}

TEST_P(MergeTest, BelievesWhatAlertmanagerWould) {
  const MergeCase& c = GetParam();
  const LiveAlert old = Live(c.old_start, c.old_end, c.old_times_out, 0, "old");
  const LiveAlert young = Live(c.start, c.end, c.times_out, c.at, "young");
  for (const LiveAlert& merged : {Merge(old, young), Merge(young, old)}) {
    EXPECT_EQ(merged.alert.starts_at, kNow + std::chrono::minutes(c.want_start));
    EXPECT_EQ(merged.alert.ends_at, kNow + std::chrono::minutes(c.want_end));
    EXPECT_EQ(merged.times_out, c.want_times_out);
    EXPECT_EQ(merged.alert.annotations.Get("text"), "young");
    EXPECT_EQ(merged.updated_at, young.updated_at);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Rules, MergeTest,
    testing::Values(
        MergeCase{"ARepostMovesTheEnd", 0, 5, true, 1, 0, 6, true, 0, 6, true},
        MergeCase{"EarliestStartIsKept", 0, 5, true, 2, 1, 7, true, 0, 7, true},
        MergeCase{"AResolveEndsIt", 0, 5, true, 2, 0, 2, false, 0, 2, false},
        MergeCase{"ASecondResolveKeepsTheLaterEnd", 0, 4, false, 6, 0, 3, false, 0, 4, false},
        MergeCase{"AFiringTimeOutDoesNotShortenAKnownEnd", 0, 20, false, 1, 1, 6, true, 0, 20,
                  false},
        MergeCase{"AKnownEndReplacesATimeOut", 0, 20, true, 1, 1, 6, false, 0, 6, false},
        MergeCase{"AResolveInTheFutureIsSwallowedByALaterKnownEnd", 0, 20, false, 1, 0, 2, false, 0,
                  20, false},
        MergeCase{"WithoutOverlapItIsAnotherEpisode", 0, 5, false, 9, 8, 13, true, 8, 13, true},
        MergeCase{"TouchingIsNoOverlap", 0, 5, false, 6, 5, 11, true, 5, 11, true}),
    [](const auto& param) { return param.param.name; });

TEST(PostingTest, WhoTellsPeopleStaysTheSource) {
  LiveAlert ours = Live(0, 5, true, 0, "rules");
  ours.source = AlertSource::kRules;
  LiveAlert theirs = Live(0, 300, true, 1, "webhook");
  theirs.source = AlertSource::kWebhook;
  EXPECT_EQ(Merge(ours, theirs).source, AlertSource::kRules);
  // Once ours is over, theirs is an episode of its own.
  theirs = Live(10, 300, true, 10, "webhook");
  theirs.source = AlertSource::kWebhook;
  EXPECT_EQ(Merge(ours, theirs).source, AlertSource::kWebhook);
}

TEST(PostingTest, WhatIsStoredReadsBackTheSame) {
  Alert alert = Named("a", kNow - 1h, kNow + 1h);
  alert.annotations = Labels{{"summary", "\"<&>\" \n ü"}};
  alert.generator_url = "http://p/graph?g0.expr=up%3D%3D0";
  Checked checked = CheckAlerts({AlertSource::kEvents, {alert, Named("b")}}, {}, kNow);
  checked.posting.lapsed = true;
  const Posting again = DecodePosting(EncodePosting(checked.posting)).value();
  EXPECT_EQ(again.source, AlertSource::kEvents);
  EXPECT_EQ(again.at, kNow);
  EXPECT_TRUE(again.lapsed);
  ASSERT_THAT(again.alerts, SizeIs(2));
  EXPECT_EQ(again.alerts[0].alert.labels, alert.labels);
  EXPECT_EQ(again.alerts[0].alert.annotations, alert.annotations);
  EXPECT_EQ(again.alerts[0].alert.starts_at, alert.starts_at);
  EXPECT_EQ(again.alerts[0].alert.ends_at, alert.ends_at);
  EXPECT_EQ(again.alerts[0].alert.generator_url, alert.generator_url);
  EXPECT_FALSE(again.alerts[0].times_out);
  EXPECT_TRUE(again.alerts[1].times_out);
  EXPECT_EQ(again.alerts[1].updated_at, kNow);

  auto live = std::make_shared<const LiveAlert>(checked.posting.alerts[0]);
  const DecodedLive bucket = DecodeLive(EncodeLive(7, {live})).value();
  EXPECT_EQ(bucket.through, 7u);
  ASSERT_THAT(bucket.alerts, SizeIs(1));
  EXPECT_EQ(bucket.alerts[0].source, AlertSource::kEvents);
  EXPECT_EQ(bucket.alerts[0].fingerprint, live->fingerprint);
  EXPECT_FALSE(DecodePosting("{"));
  EXPECT_FALSE(DecodeLive("nonsense"));
}

}  // namespace
}  // namespace fettle::receivers
