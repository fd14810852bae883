#include "exporter/gatherer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "tests/support/inline_hands.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"
#include "tests/support/recorded_samples.h"

namespace fettle::exporter {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Shows what the test says.
class Scripted final : public Collector {
 public:
  explicit Scripted(std::string target) : target_(std::move(target)) {}
  std::string_view Name() const override { return "scripted"; }
  std::string_view Target() const override { return target_; }
  Result<std::vector<MetricFamily>> Collect(const CollectContext&) override {
    ++turns;
    if (during) during();
    return answer;
  }
  void Shows(double value) {
    answer = std::vector<MetricFamily>{
        {"fettle_x", "X.", MetricType::kGauge, {{"", {{"target", target_}}, value}}}};
  }

  Millis AgainIn() const override { return again; }
  std::vector<MetricFamily> WhenDown() const override { return down; }

  Millis again{0};
  Result<std::vector<MetricFamily>> answer = std::vector<MetricFamily>{};
  std::vector<MetricFamily> down;
  std::function<void()> during;
  int turns = 0;

 private:
  std::string target_;
};

class GathererTest : public testing::Test {
 protected:
  void Start() { gatherer_.Start(clock_.Now()); }
  void Pass(Micros d) {
    clock_.Pass(d);
    brain_.RunUntil(clock_.Now());
  }
  std::string Scrape(std::string accept = "", std::string encoding = "") {
    HttpRequest request;
    request.headers.Set("Accept", accept);
    request.headers.Set("Accept-Encoding", encoding);
    return gatherer_.Serve(request).body;
  }

  ManualClock clock_;
  Brain brain_;
  InlineHands hands_;
  RecordedSamples sink_;
  Metrics metrics_;
  RecordedLog log_;
  Gatherer gatherer_{{.brain = brain_,
                      .hands = hands_,
                      .clock = clock_,
                      .sink = sink_,
                      .metrics = metrics_,
                      .log = log_.For("gatherer")},
                     {.interval = 15s, .instance = "here:1"}};
  Scripted a_{"a"};
  Scripted b_{"b"};
};

TEST_F(GathererTest, ShowsWhatCollectorsBringAndFeedsTheSink) {
  a_.Shows(1.5);
  b_.Shows(2);
  gatherer_.Add(a_, {});
  gatherer_.Add(b_, {});
  Start();
  EXPECT_FALSE(gatherer_.Ready());
  hands_.Work();
  EXPECT_TRUE(gatherer_.Ready());
  EXPECT_THAT(Scrape(), HasSubstr("# HELP fettle_x X.\n# TYPE fettle_x gauge\n"
                                  "fettle_x{target=\"a\"} 1.5\nfettle_x{target=\"b\"} 2\n"));
  EXPECT_THAT(Scrape(), HasSubstr("fettle_collector_up{collector=\"scripted\",target=\"a\"} 1\n"));
  EXPECT_THAT(sink_.TakeLines(),
              Contains(R"(fettle_x{instance="here:1", job="fettle", target="a"} 1.5)"));
}

TEST_F(GathererTest, TakesAFailedCollectorsSeriesAwayRatherThanRepeatThem) {
  a_.Shows(1);
  b_.Shows(1);
  gatherer_.Add(a_, {});
  gatherer_.Add(b_, {});
  Start();
  hands_.Work();
  sink_.TakeLines();
  a_.answer = Fail("connect: refused");
  Pass(15s);
  hands_.Work();
  const std::string page = Scrape();
  EXPECT_THAT(page, Not(HasSubstr("fettle_x{target=\"a\"}")));
  EXPECT_THAT(page, HasSubstr("fettle_x{target=\"b\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("fettle_collector_up{collector=\"scripted\",target=\"a\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("fettle_collector_last_success_timestamp_seconds"
                              "{collector=\"scripted\",target=\"a\"} 1767225600\n"));
  EXPECT_THAT(sink_.TakeLines(),
              Contains(R"(fettle_x{instance="here:1", job="fettle", target="a"} stale)"));
  EXPECT_TRUE(log_.Contains("connect: refused"));
  // Said once, not every 15 s.
  const std::size_t lines = log_.Lines().size();
  Pass(15s);
  hands_.Work();
  EXPECT_EQ(log_.Lines().size(), lines);
}

TEST_F(GathererTest, ShowsWhatAFailedCollectorHasToSayForItself) {
  a_.Shows(1.5);
  a_.down = {{"fettle_a_up", "Up.", MetricType::kGauge, {{"", {}, 0}}}};
  gatherer_.Add(a_, {});
  Start();
  hands_.Work();
  EXPECT_THAT(Scrape(), Not(HasSubstr("fettle_a_up")));
  a_.answer = Fail("gone");
  Pass(15s);
  hands_.Work();
  EXPECT_THAT(Scrape(), HasSubstr("fettle_a_up 0\n"));
  EXPECT_THAT(Scrape(), Not(HasSubstr("fettle_x{")));
  EXPECT_THAT(Scrape(), HasSubstr("fettle_collector_up{collector=\"scripted\",target=\"a\"} 0\n"));
}

TEST_F(GathererTest, NeverRunsOneCollectorTwiceAtOnce) {
  gatherer_.Add(a_, {});
  Start();
  Pass(15s);
  Pass(15s);
  EXPECT_EQ(hands_.Work(), 1);
  EXPECT_EQ(a_.turns, 1);
  EXPECT_THAT(Scrape(), HasSubstr("fettle_gatherer_overruns_total 2\n"));
  Pass(15s);
  EXPECT_EQ(hands_.Work(), 1);
}

TEST_F(GathererTest, LeavesATurnOutWhenTheHandsAreFull) {
  hands_.queue_max = 0;
  gatherer_.Add(a_, {});
  Start();
  EXPECT_THAT(Scrape(), HasSubstr("fettle_gatherer_overruns_total 1\n"));
  hands_.queue_max = 1;
  Pass(15s);
  EXPECT_EQ(hands_.Work(), 1);
}

TEST_F(GathererTest, KeepsEachCollectorsOwnInterval) {
  gatherer_.Add(a_, {.interval = 1s});
  gatherer_.Add(b_, {});
  Start();
  hands_.Work();
  for (int second = 0; second < 15; ++second) {
    Pass(1s);
    hands_.Work();
  }
  EXPECT_EQ(a_.turns, 16);
  EXPECT_EQ(b_.turns, 2);
}

TEST_F(GathererTest, ShowsAPublishedChangeAtOnceAndAppendsOnlyWhatChanged) {
  a_.Shows(1);
  gatherer_.Add(a_, {});
  Start();
  hands_.Work();
  sink_.TakeLines();
  clock_.Pass(10ms);
  a_.Shows(2);
  gatherer_.Publish(a_, *a_.answer, clock_.Now());
  EXPECT_THAT(Scrape(), HasSubstr("fettle_x{target=\"a\"} 2\n"));
  const std::vector<SampleBatch> batches = sink_.Batches();
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_EQ(batches[0].origin, Origin::kEvent);
  EXPECT_THAT(sink_.TakeLines(),
              Contains(R"(fettle_x{instance="here:1", job="fettle", target="a"} 2)"));
}

// Two values of one series cannot have one time: a change within the millisecond of a turn would be
// lost, and what waits for it would wait for the next turn.
TEST_F(GathererTest, ChangesWithinOneMillisecondHaveStampsOfTheirOwn) {
  a_.Shows(1);
  gatherer_.Add(a_, {});
  Start();
  hands_.Work();
  const Moment now = clock_.Now();
  for (const double value : {2.0, 3.0}) {
    a_.Shows(value);
    gatherer_.Publish(a_, *a_.answer, now);
  }
  std::vector<std::pair<double, Millis>> seen;
  for (const SampleBatch& batch : sink_.Batches()) {
    for (const Sample& sample : batch.samples) {
      if (sample.labels.Get(kMetricName) == "fettle_x") {
        seen.emplace_back(sample.value, sample.at - now.wall);
      }
    }
  }
  EXPECT_THAT(seen,
              testing::ElementsAre(std::pair(1.0, 0ms), std::pair(2.0, 1ms), std::pair(3.0, 2ms)));
}

TEST_F(GathererTest, AChangePublishedDuringATurnIsNewerThanTheTurn) {
  a_.Shows(1);
  gatherer_.Add(a_, {});
  a_.during = [this] {
    Scripted fresh("a");
    fresh.Shows(9);
    gatherer_.Publish(a_, *fresh.answer, clock_.Now());
  };
  Start();
  hands_.Work();
  EXPECT_THAT(Scrape(), HasSubstr("fettle_x{target=\"a\"} 9\n"));
}

TEST_F(GathererTest, ServesAGzipStreamThatUnpacksToTheSamePage) {
  a_.Shows(1);
  b_.Shows(2);
  gatherer_.Add(a_, {});
  gatherer_.Add(b_, {});
  Start();
  hands_.Work();
  const std::string plain = Scrape();
  const std::string packed = Scrape("", "deflate, gzip");
  std::string unpacked(plain.size() + 100, '\0');
  z_stream stream{};
  ASSERT_EQ(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
  std::string in = packed;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(unpacked.data());
  stream.avail_out = static_cast<uInt>(unpacked.size());
  // Z_STREAM_END means that the checksum and the size agree too.
  ASSERT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  unpacked.resize(unpacked.size() - stream.avail_out);
  inflateEnd(&stream);
  EXPECT_EQ(unpacked, plain);
}

TEST_F(GathererTest, TurnsOnceMoreWhenACollectorAsksForIt) {
  gatherer_.Add(a_, {.interval = 10s});
  a_.again = 100ms;
  Start();
  hands_.Work();
  a_.again = 0ms;
  Pass(99ms);
  EXPECT_EQ(hands_.Work(), 0);
  Pass(1ms);
  EXPECT_EQ(hands_.Work(), 1);
  Pass(5s);
  EXPECT_EQ(hands_.Work(), 0);
  Pass(5s);
  EXPECT_EQ(hands_.Work(), 1);
}

TEST_F(GathererTest, EndsAnOpenMetricsPage) {
  Start();
  EXPECT_THAT(Scrape("application/openmetrics-text;version=1.0.0"), testing::EndsWith("# EOF\n"));
  EXPECT_THAT(Scrape(), Not(HasSubstr("# EOF")));
}

TEST_F(GathererTest, RefusesACollectorThatShowsTooMuch) {
  MetricFamily family{"fettle_x", "X.", MetricType::kGauge, {}};
  for (std::size_t i = 0; i <= Gatherer::kSeriesPerCollectorMax; ++i) {
    family.points.push_back({"", {}, 0});
  }
  a_.answer = std::vector<MetricFamily>{family};
  gatherer_.Add(a_, {});
  Start();
  hands_.Work();
  EXPECT_THAT(Scrape(), HasSubstr("fettle_collector_up{collector=\"scripted\",target=\"a\"} 0\n"));
  EXPECT_THAT(Scrape(), HasSubstr("fettle_gatherer_series_dropped_total 1\n"));
}

}  // namespace
}  // namespace fettle::exporter
