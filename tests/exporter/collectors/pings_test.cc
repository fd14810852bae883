// The dead-man's switch. Goal: what a job said is stored before it is answered and survives a
// restart; silence shows as a time that does not move; nobody is believed by halves.
#include "exporter/collectors/pings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/families.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_store.h"

namespace fettle::exporter {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class RecordedPublisher final : public Publisher {
 public:
  void Publish(const Collector&, std::vector<MetricFamily> families, const Moment&) override {
    published.push_back(LinesOf(families));
  }
  std::vector<std::vector<std::string>> published;
};

class PingsTest : public testing::Test {
 protected:
  PingsTest() { Restart(); }
  void Restart() {
    pings_.emplace(
        Pings::Deps{.store = store_, .clock = clock_, .metrics = metrics_, .publisher = publisher_},
        std::vector<WatchConfig>{{.name = "nightly", .what = WatchPing{}, .every = Millis(60'000)},
                                 {.name = "files", .what = WatchFiles{"/x"}}});
  }
  int Ping(const std::string& path) {
    return pings_->Handle({.method = "POST", .url = "/api/fettle/v1/pings/" + path}).status;
  }
  std::vector<std::string> Lines(const std::string& prefix = "fettle_watch_") {
    const auto families = pings_->Collect({clock_.Now(), {}});
    return families ? LinesOf(*families, prefix)
                    : std::vector<std::string>{families.error().message};
  }

  ManualClock clock_;
  MemoryStore store_{clock_};
  Metrics metrics_;
  RecordedPublisher publisher_;
  std::optional<Pings> pings_;
};

TEST_F(PingsTest, BeforeTheFirstPingThereIsNoTimeButOneToCountFrom) {
  EXPECT_THAT(Lines(),
              ElementsAre("fettle_watch_created_timestamp_seconds{name=\"nightly\"} 1767225600",
                          "fettle_watch_expected_interval_seconds{name=\"nightly\"} 60",
                          "fettle_watch_grace_seconds{name=\"nightly\"} 7200",
                          "fettle_watch_info{kind=\"ping\", name=\"nightly\"} 1"));
}

TEST_F(PingsTest, ARunIsTimedFromItsStartToItsGoodEnd) {
  EXPECT_EQ(Ping("nightly/start"), 200);
  clock_.Pass(std::chrono::seconds(90));
  EXPECT_EQ(Ping("nightly"), 200);
  EXPECT_THAT(Lines("fettle_watch_n"),
              ElementsAre("fettle_watch_newest_timestamp_seconds{name=\"nightly\"} 1767225690"));
  EXPECT_THAT(Lines("fettle_watch_last_duration"),
              ElementsAre("fettle_watch_last_duration_seconds{name=\"nightly\"} 90"));
  clock_.Pass(std::chrono::seconds(10));
  // An end that nobody announced has no duration, not a long one.
  EXPECT_EQ(Ping("nightly/0"), 200);
  EXPECT_THAT(Lines(), Not(Contains(HasSubstr("last_duration"))));
}

TEST_F(PingsTest, AFailureDoesNotMoveTheLastSuccess) {
  EXPECT_EQ(Ping("nightly"), 200);
  clock_.Pass(std::chrono::seconds(60));
  EXPECT_EQ(Ping("nightly/fail"), 200);
  EXPECT_THAT(Lines("fettle_watch_newest"),
              ElementsAre("fettle_watch_newest_timestamp_seconds{name=\"nightly\"} 1767225600"));
  EXPECT_THAT(
      Lines("fettle_watch_last_failure"),
      ElementsAre("fettle_watch_last_failure_timestamp_seconds{name=\"nightly\"} 1767225660"));
  clock_.Pass(std::chrono::seconds(60));
  EXPECT_EQ(Ping("nightly/137"), 200);
  EXPECT_THAT(
      Lines("fettle_watch_last_failure"),
      ElementsAre("fettle_watch_last_failure_timestamp_seconds{name=\"nightly\"} 1767225720"));
}

TEST_F(PingsTest, ARestartNeitherForgetsNorForgives) {
  EXPECT_EQ(Ping("nightly"), 200);
  const auto before = Lines();
  clock_.Pass(std::chrono::hours(5));
  Restart();
  EXPECT_EQ(Lines(), before);
}

TEST_F(PingsTest, WhatCannotBeStoredIsNotAnswered) {
  EXPECT_EQ(Ping("nightly"), 200);
  const auto before = Lines();
  clock_.Pass(std::chrono::hours(1));
  store_.FailCommits({"disk full", Cause::kUnavailable});
  EXPECT_EQ(Ping("nightly"), 503);
  EXPECT_EQ(Lines(), before);
}

TEST_F(PingsTest, AStoreThatCannotBeReadIsDownAndSaysWhatIsExpected) {
  store_.FailReads({"disk gone", Cause::kUnavailable});
  EXPECT_THAT(Lines(), ElementsAre(HasSubstr("disk gone")));
  EXPECT_THAT(LinesOf(pings_->WhenDown()),
              Contains("fettle_watch_info{kind=\"ping\", name=\"nightly\"} 1"));
  EXPECT_EQ(Ping("nightly"), 503);
  store_.Heal();
  EXPECT_EQ(Ping("nightly"), 200);
}

TEST_F(PingsTest, OnlyWhatIsWatchedByPingsIsAnswered) {
  EXPECT_EQ(Ping("weekly"), 404);
  EXPECT_EQ(Ping("files"), 404);
  EXPECT_EQ(Ping(""), 404);
  for (const char* word :
       {"nightly/done", "nightly/256", "nightly/-1", "nightly/1x", "nightly/0/0"}) {
    EXPECT_EQ(Ping(word), 400) << word;
  }
  EXPECT_THAT(Lines(), Not(Contains(HasSubstr("newest"))));
}

TEST_F(PingsTest, APingIsPublishedAtOnceEachFamilyOnce) {
  EXPECT_EQ(Ping("nightly"), 200);
  ASSERT_EQ(publisher_.published.size(), 1U);
  EXPECT_THAT(publisher_.published[0],
              Contains("fettle_watch_newest_timestamp_seconds{name=\"nightly\"} 1767225600"));
  const auto families = pings_->Collect({clock_.Now(), {}});
  std::set<std::string> names;
  for (const MetricFamily& family : *families) EXPECT_TRUE(names.insert(family.name).second);
}

}  // namespace
}  // namespace fettle::exporter
