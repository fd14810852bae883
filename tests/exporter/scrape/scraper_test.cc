// Scraping on a virtual clock: who is scraped when, what is stored, and what ends.
#include "exporter/scrape/scraper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "common/json.h"
#include "exporter/scrape/targets_api.h"
#include "tests/support/fake_transport.h"
#include "tests/support/inline_hands.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"
#include "tests/support/recorded_samples.h"
#include "tests/support/temp_dir.h"

namespace fettle::exporter {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::UnorderedElementsAre;

class NoNames final : public NameLookup {
  Result<std::vector<Answer>> Find(const std::string&, Kind) const override {
    return std::vector<Answer>{};
  }
};

class NoExemplars final : public ExemplarSink {
  void Keep(std::vector<SampleExemplar>) override {}
};

class ScraperTest : public testing::Test {
 protected:
  ScraperTest() { Page("a 1\n"); }

  void Start(const std::string& yaml) {
    yaml::Complaints complaints;
    const auto node = yaml::Load(yaml, "f", complaints);
    std::vector<ScrapeConfig> configs;
    {
      yaml::Mapping mapping(*node, "exporter", complaints);
      configs = ReadScrapeConfigs(mapping, dir_.path(), {}, 10s);
    }
    ASSERT_EQ(complaints.ToString(), "");
    scraper_ = std::make_unique<Scraper>(Scraper::Deps{.brain = brain_,
                                                       .hands = hands_,
                                                       .looks = hands_,
                                                       .clock = clock_,
                                                       .transport = network_,
                                                       .sink = sink_,
                                                       .exemplars = exemplars_,
                                                       .lookup = names_,
                                                       .metrics = metrics_,
                                                       .log = log_.For("scrape")},
                                         std::move(configs), "fettle/test");
    scraper_->Start(clock_.Now());
    Settle();
  }
  void Page(std::string page, int status = 200, std::string type = "text/plain") {
    network_.AnswerWith([=](const HttpRequest&) -> Result<HttpResponse> {
      HttpResponse response{status, {}, page};
      response.headers.Set("Content-Type", type);
      return response;
    });
  }
  void Settle() {
    do brain_.RunUntil(clock_.Now());
    while (hands_.Work() > 0);
  }
  void Pass(Micros duration) {
    const BootTime end = clock_.Now().boot + duration;
    while (clock_.Now().boot < end) {
      const auto next = brain_.NextDeadline();
      const BootTime until = next && *next < end ? std::max(*next, clock_.Now().boot) : end;
      clock_.Pass(until - clock_.Now().boot);
      Settle();
    }
    Settle();
  }
  std::vector<std::string> Stored() {
    std::vector<std::string> lines = sink_.TakeLines();
    std::sort(lines.begin(), lines.end());
    return lines;
  }

  ManualClock clock_;
  Brain brain_;
  InlineHands hands_;
  FakeTransport network_;
  RecordedSamples sink_;
  NoExemplars exemplars_;
  NoNames names_;
  Metrics metrics_;
  RecordedLog log_;
  TempDir dir_;
  std::unique_ptr<Scraper> scraper_;
};

TEST_F(ScraperTest, StoresThePageAndTheReport) {
  Start("scrape_configs: [{job_name: j, static_configs: [{targets: ['h:1'], labels: {x: y}}]}]");
  Pass(10s);
  EXPECT_THAT(Stored(),
              UnorderedElementsAre(
                  R"(a{instance="h:1", job="j", x="y"} 1)",
                  R"(scrape_duration_seconds{instance="h:1", job="j", x="y"} 0)",
                  R"(scrape_samples_post_metric_relabeling{instance="h:1", job="j", x="y"} 1)",
                  R"(scrape_samples_scraped{instance="h:1", job="j", x="y"} 1)",
                  R"(scrape_series_added{instance="h:1", job="j", x="y"} 1)",
                  R"(up{instance="h:1", job="j", x="y"} 1)"));
  Pass(10s);
  EXPECT_THAT(Stored(), Contains(R"(scrape_series_added{instance="h:1", job="j", x="y"} 0)"));
}

TEST_F(ScraperTest, AsksAsPrometheusAsks) {
  Start(R"(
scrape_configs:
- job_name: j
  scheme: https
  metrics_path: probe
  params: {module: [http, x], target: ["a b"]}
  basic_auth: {username: u, password: p}
  http_headers: {X-A: {values: [b]}}
  scrape_timeout: 1500ms
  static_configs: [{targets: ['h:1'], labels: {__param_module: y}}]
)");
  Pass(10s);
  ASSERT_EQ(network_.Sent().size(), 1U);
  const HttpRequest request = network_.Sent().front();
  EXPECT_EQ(request.url, "https://h:1/probe?module=y&module=x&target=a%20b");
  EXPECT_EQ(request.headers.Get("Authorization"), "Basic dTpw");
  EXPECT_EQ(request.headers.Get("X-A"), "b");
  EXPECT_EQ(request.headers.Get("X-Prometheus-Scrape-Timeout-Seconds"), "1.5");
  EXPECT_THAT(std::string(request.headers.Get("Accept")),
              testing::StartsWith("application/openmetrics-text;version=1.0.0;"));
  EXPECT_EQ(network_.Options().front().timeout, 1500ms);
  EXPECT_TRUE(network_.Options().front().accept_gzip);
}

TEST_F(ScraperTest, ADeadTargetIsDownAndItsSeriesEnd) {
  Start("scrape_configs: [{job_name: j, static_configs: [{targets: ['h:1']}]}]");
  Pass(10s);
  Stored();
  network_.AnswerWith([](const HttpRequest&) -> Result<HttpResponse> {
    return Fail(Cause::kUnavailable, "connection refused");
  });
  Pass(10s);
  EXPECT_THAT(Stored(), IsSupersetOf({R"(a{instance="h:1", job="j"} stale)",
                                      R"(up{instance="h:1", job="j"} 0)",
                                      R"(scrape_samples_scraped{instance="h:1", job="j"} 0)"}));
  EXPECT_EQ(scraper_->Targets().front().health, TargetView::Health::kDown);
  EXPECT_EQ(scraper_->Targets().front().last_error, "connection refused");
  Page("a 1\n", 500);
  Pass(10s);
  EXPECT_EQ(scraper_->Targets().front().last_error, "server returned HTTP status 500");
  Page("a 1\n", 200, "text/html");
  Pass(10s);
  EXPECT_THAT(scraper_->Targets().front().last_error, testing::HasSubstr("Content-Type"));
}

TEST_F(ScraperTest, TargetsAreSpreadOverTheInterval) {
  std::string targets;
  for (int i = 0; i < 50; ++i) targets += "'h:" + std::to_string(i) + "',";
  Start("scrape_configs: [{job_name: j, static_configs: [{targets: [" + targets + "]}]}]");
  std::size_t most = 0;
  for (int second = 0; second < 10; ++second) {
    const std::size_t before = network_.Sent().size();
    Pass(1s);
    most = std::max(most, network_.Sent().size() - before);
  }
  EXPECT_EQ(network_.Sent().size(), 50U);
  EXPECT_LT(most, 20U);
  Pass(10s);
  EXPECT_EQ(network_.Sent().size(), 100U) << "each comes again after its interval";
}

TEST_F(ScraperTest, ScrapesAreStampedAtEvenDistances) {
  Start("scrape_configs: [{job_name: j, static_configs: [{targets: ['h:1']}]}]");
  Pass(35s);
  std::vector<Time> times;
  for (const SampleBatch& batch : sink_.Batches()) times.push_back(batch.samples.front().at);
  ASSERT_GE(times.size(), 3U);
  EXPECT_EQ(times[1] - times[0], 10s);
  EXPECT_EQ(times[2] - times[1], 10s);
}

TEST_F(ScraperTest, ASlowTargetMissesTurnsAndIsNeverAskedTwiceAtOnce) {
  Start("scrape_configs: [{job_name: j, static_configs: [{targets: ['h:1']}]}]");
  for (int turn = 0; turn < 3; ++turn) {
    clock_.Pass(10s);
    brain_.RunUntil(clock_.Now());
  }
  EXPECT_EQ(hands_.Waiting(), 1U);
  Settle();
  EXPECT_EQ(network_.Sent().size(), 1U);
}

TEST_F(ScraperTest, RelabellingChoosesTargets) {
  Start(R"(
scrape_configs:
- job_name: j
  static_configs: [{targets: ['a:1', 'b:1', 'c:1']}]
  relabel_configs:
  - {source_labels: [__address__], regex: 'b:.*', action: drop}
  - {source_labels: [__address__], regex: '(.*):1', target_label: instance}
  - {source_labels: [__address__], regex: 'c:.*', target_label: __scrape_interval__, replacement: 1m}
  - {source_labels: [__address__], regex: 'c:.*', target_label: __address__, replacement: "other:9"}
)");
  std::vector<std::string> seen;
  for (const TargetView& view : scraper_->Targets()) {
    seen.push_back(std::string(view.target.labels.Get("instance")) + " " + view.target.url);
  }
  EXPECT_THAT(seen, UnorderedElementsAre("a http://a:1/metrics", "c http://other:9/metrics"));
  EXPECT_EQ(scraper_->DroppedTargets().at("j").count, 1U);
  const auto answer = Json::Parse(TargetsApi(scraper_.get()).Targets({}).body);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ((*answer)["data"]["activeTargets"].Items().size(), 2U);
  const Json dropped = (*answer)["data"]["droppedTargets"].Items().at(0);
  EXPECT_EQ(dropped["discoveredLabels"]["__address__"].StringOr(""), "b:1");
  EXPECT_EQ((*answer)["data"]["droppedTargetCounts"]["j"].IntegerOr(0), 1);
}

TEST_F(ScraperTest, TooManyTargetsAreAllDown) {
  Start(
      "scrape_configs: [{job_name: j, target_limit: 1, "
      "static_configs: [{targets: ['a:1', 'b:1']}]}]");
  Pass(10s);
  EXPECT_THAT(network_.Sent(), IsEmpty());
  EXPECT_THAT(Stored(), IsSupersetOf({R"(up{instance="a:1", job="j"} 0)",
                                      R"(up{instance="b:1", job="j"} 0)"}));
}

TEST_F(ScraperTest, FilesBringTargetsAndTakeThemAway) {
  dir_.Write("t.json", R"([{"targets": ["a:1"], "labels": {"from": "file"}}])");
  Start("scrape_configs: [{job_name: j, file_sd_configs: [{files: ['*.json']}]}]");
  Pass(20s);
  EXPECT_THAT(Stored(), Contains(R"(up{from="file", instance="a:1", job="j"} 1)"));
  EXPECT_EQ(scraper_->Targets().front().target.discovered.Get("__meta_filepath"), dir_ / "t.json");
  dir_.Write("t.json", "broken [");
  Pass(10s);
  EXPECT_THAT(Stored(), Contains(R"(up{from="file", instance="a:1", job="j"} 1)"))
      << "a broken file leaves what it said before";
  dir_.Write("t.json", R"([{"targets": ["b:1"]}])");
  Pass(20s);
  const std::vector<std::string> lines = Stored();
  EXPECT_THAT(lines, IsSupersetOf({R"(a{from="file", instance="a:1", job="j"} stale)",
                                   R"(up{from="file", instance="a:1", job="j"} stale)",
                                   R"(up{instance="b:1", job="j"} 1)"}));
  EXPECT_EQ(scraper_->Targets().size(), 1U);
}

TEST_F(ScraperTest, WithoutAScraperNothingIsScraped) {
  EXPECT_EQ(TargetsApi(nullptr).Targets({}).body,
            R"({"status":"success","data":{"activeTargets":[],"droppedTargets":[],)"
            R"("droppedTargetCounts":{}}})");
  EXPECT_EQ(TargetsApi(nullptr).ScrapePools({}).body,
            R"({"status":"success","data":{"scrapePools":[]}})");
}

}  // namespace
}  // namespace fettle::exporter
