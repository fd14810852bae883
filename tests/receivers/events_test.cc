// Events: what is refused, that one id counts once and survives a restart, what rules, guards and
// people get of them, and the money.
#include "receivers/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/duration.h"
#include "common/json.h"
#include "tests/support/fake_alert_sink.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/recorded_log.h"

namespace fettle::receivers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using namespace std::chrono_literals;

class RecordedPublisher final : public Publisher {
 public:
  void Publish(const Collector&, std::vector<MetricFamily> families, const Moment&) override {
    published.push_back(std::move(families));
  }
  std::vector<std::vector<MetricFamily>> published;
};

// 2026-01-01T00:00:00Z is the clock's first moment.
class EventsTest : public testing::Test {
 protected:
  EventsTest() { Boot(); }
  void Boot() {
    events_.reset();
    brain_ = std::make_unique<Brain>();
    metrics_ = std::make_unique<Metrics>();
    events_ = std::make_unique<Events>(Events::Deps{.brain = *brain_,
                                                    .store = store,
                                                    .clock = clock,
                                                    .metrics = *metrics_,
                                                    .log = log.For("events"),
                                                    .alerts = alerts,
                                                    .publisher = publisher});
    events_->Subscribe([this](const Event& event, const Moment&) { heard.push_back(event.id); });
    ASSERT_TRUE(events_->Restore(clock.Now()));
  }
  void Pass(Millis time) {
    clock.Pass(time);
    brain_->RunUntil(clock.Now());
  }
  // "200 {…}"
  std::string Post(const std::string& body) {
    const HttpResponse answer = events_->Take({.method = "POST", .url = "/e", .body = body});
    return std::to_string(answer.status) + " " + answer.body.substr(0, answer.body.size() - 1);
  }
  // The id says when: hours since the start.
  std::string At(double hours, const std::string& rest) {
    const Time at = kStart + Millis(static_cast<std::int64_t>(hours * 3'600'000));
    return Post(fmt::format(R"({{"id":"{}","at":"{}",{}}})", ++count_, FormatRfc3339(at), rest));
  }
  // "name{labels} value" of what is shown.
  std::vector<std::string> Shown() {
    std::vector<std::string> lines;
    const auto families = events_->Collect({.now = clock.Now(), .deadline = {}});
    for (const MetricFamily& family : *families) {
      for (const MetricPoint& point : family.points) {
        lines.push_back(family.name + point.labels.ToString() + " " +
                        fmt::format("{}", point.value));
      }
    }
    return lines;
  }

  static constexpr Time kStart{Millis(1'767'225'600'000)};
  ManualClock clock;
  MemoryStore store{clock};
  RecordedLog log;
  FakeAlertSink alerts;
  RecordedPublisher publisher;
  std::vector<std::string> heard;
  std::unique_ptr<Brain> brain_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<Events> events_;
  int count_ = 0;
};

TEST_F(EventsTest, OneIdCountsOnce) {
  const std::string deploy =
      R"({"id":"ci-7","kind":"deploy","phase":"end","labels":{"service":"web","version":"abc"}})";
  EXPECT_EQ(Post(deploy), R"(200 {"id":"ci-7","counted":true})");
  Pass(1s);
  EXPECT_EQ(Post(deploy), R"(200 {"id":"ci-7","counted":false})");
  EXPECT_THAT(
      Post(R"({"id":"ci-7","kind":"deploy","phase":"failed"})"),
      testing::StartsWith(
          R"-(409 {"error":"id \"ci-7\" is known for another event: deploy of web, end (version=abc)")-"));
  EXPECT_THAT(heard, ElementsAre("ci-7"));
  ASSERT_EQ(alerts.batches.size(), 1U);
  const Alert& alert = alerts.batches[0].alerts.at(0);
  EXPECT_EQ(alerts.batches[0].source, AlertSource::kEvents);
  EXPECT_EQ(
      alert.labels.ToString(),
      R"({alertname="Event", event="ci-7", kind="deploy", phase="end", service="web", version="abc"})");
  EXPECT_EQ(alert.annotations.Get("summary"), "deploy of web, end (version=abc)");
  EXPECT_EQ(alert.ends_at - alert.starts_at, Events::kAlertLasts);
}

TEST_F(EventsTest, IsStoredBeforeItIsAnsweredAndKnownAfterARestart) {
  store.FailNth(1, Error{"disk full", Cause::kUnavailable});
  const std::string deploy = R"({"id":"a","kind":"deploy","phase":"start"})";
  EXPECT_EQ(Post(deploy), R"(503 {"error":"disk full"})");
  EXPECT_THAT(heard, IsEmpty());
  EXPECT_THAT(Shown(), IsEmpty());
  EXPECT_EQ(Post(deploy), R"(200 {"id":"a","counted":true})");
  Boot();
  EXPECT_EQ(Post(deploy), R"(200 {"id":"a","counted":false})");
  EXPECT_TRUE(events_->LatestOf(EventKind::kDeploy, "web", clock.Now().wall).under_way);
}

TEST_F(EventsTest, WhatIsWrongIsSaid) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "JSON"},
      {"[]", "an event is a JSON object"},
      {R"({"kind":"deploy","phase":"end"})", "id is missing"},
      {R"({"id":"x","phase":"end"})", "kind is missing"},
      {R"({"id":"x","kind":"deplay","phase":"end"})", "did you mean \\\"deploy\\\"?"},
      {R"({"id":"x","kind":"deploy"})", "phase is missing"},
      {R"({"id":"x","kind":"deploy","phase":"stop"})", "phase \\\"stop\\\" is not known"},
      {R"({"id":"x","kind":"deploy","phase":"end","label":{}})", "did you mean \\\"labels\\\"?"},
      {R"({"id":"x","kind":"deploy","phase":"end","labels":{"a-b":"c"}})", "is no label name"},
      {R"({"id":"x","kind":"deploy","phase":"end","labels":{"__name__":"c"}})", "is no label name"},
      {R"({"id":"x","kind":"deploy","phase":"end","labels":{"a":1}})", "a must be a text"},
      {R"({"id":"x","kind":"deploy","phase":"end","at":"noon"})", "at must be a time like"},
      {R"({"id":"x","kind":"deploy","phase":"end","at":"2026-01-01T01:00:00Z"})", "1h ahead"},
      {R"({"id":"x","kind":"spend"})", "usd is missing"},
      {R"({"id":"x","kind":"spend","usd":-1})", "usd must be a number of dollars"},
      {R"({"id":"x","kind":"spend","usd":1e999})", "JSON"},
      {R"({"id":"x","kind":"gpu","phase":"start"})", "usd_per_hour is missing"},
      {R"({"id":"x","kind":"gpu","phase":"end","usd_per_hour":1})", "belongs to the start"},
  };
  for (const auto& [body, sentence] : cases) {
    const std::string answer = Post(body);
    EXPECT_THAT(answer, testing::StartsWith("400 ")) << body;
    EXPECT_THAT(answer, HasSubstr(sentence)) << body;
  }
  std::string many = R"({"id":"x","kind":"custom","phase":"end","labels":{"a":"b")";
  for (int i = 0; i < 40; ++i) many += fmt::format(R"(,"l{}":"v")", i);
  EXPECT_THAT(Post(many + "}}"), testing::StartsWith("413 "));
  EXPECT_EQ(metrics_->Counter("fettle_events_refused_total", "").Value(), 19);
  EXPECT_THAT(store.All("event"), IsEmpty());
}

TEST_F(EventsTest, SaysWhatIsUnderWay) {
  Pass(10h);
  const auto course = [&](const char* service) {
    return events_->LatestOf(EventKind::kDeploy, service, clock.Now().wall);
  };
  EXPECT_FALSE(course("web").under_way);
  EXPECT_EQ(course("web").ended, Time{});
  At(1, R"("kind":"deploy","phase":"before","labels":{"service":"web"})");
  At(2, R"("kind":"deploy","phase":"start","labels":{"service":"web"})");
  EXPECT_EQ(course("web").began, kStart + 1h);
  EXPECT_EQ(course("db").began, Time{}) << "it is another service's";
  At(3, R"("kind":"deploy","phase":"failed","labels":{"service":"web"})");
  EXPECT_FALSE(course("web").under_way);
  EXPECT_EQ(course("web").ended, kStart + 3h);
  At(9, R"("kind":"deploy","phase":"start")");
  EXPECT_TRUE(course("db").under_way) << "one without a service is everybody's";
  Pass(5h + 1s);
  EXPECT_FALSE(course("db").under_way) << "its end was lost";
  EXPECT_EQ(course("db").ended, kStart + 9h + Events::kUnderWayMax);
}

TEST_F(EventsTest, MoneyIsThisMonths) {
  Pass(100h);
  At(-1, R"("kind":"spend","usd":1000,"labels":{"service":"llm"})");  // last year
  At(1, R"("kind":"spend","usd":2.5,"labels":{"service":"llm","request":"r1"})");
  At(2, R"("kind":"spend","usd":4,"labels":{"service":"llm","request":"r2"})");
  // One runs since last year, one has ended, one said what it really was.
  At(-10,
     R"("kind":"gpu","phase":"start","usd_per_hour":1,"labels":{"provider":"runpod","instance":"i1"})");
  At(10,
     R"("kind":"gpu","phase":"start","usd_per_hour":2,"labels":{"provider":"runpod","instance":"i2"})");
  At(15, R"("kind":"gpu","phase":"end","labels":{"provider":"runpod","instance":"i2"})");
  At(20,
     R"("kind":"gpu","phase":"start","usd_per_hour":3,"labels":{"provider":"runpod","instance":"i3"})");
  At(30, R"("kind":"gpu","phase":"end","usd":25,"labels":{"provider":"runpod","instance":"i3"})");
  // An end nobody began, and a second start that ends the first.
  At(40, R"("kind":"gpu","phase":"end","labels":{"provider":"lambda","instance":"j"})");
  At(50,
     R"("kind":"gpu","phase":"start","usd_per_hour":1,"labels":{"provider":"lambda","instance":"j"})");
  At(60,
     R"("kind":"gpu","phase":"start","usd_per_hour":1,"labels":{"provider":"lambda","instance":"j"})");
  std::vector<std::string> shown = Shown();
  std::erase_if(shown, [](const std::string& l) { return l.starts_with("fettle_event_"); });
  EXPECT_THAT(
      shown,
      ElementsAre(
          R"(fettle_cost_month_to_date_usd{kind="gpu", provider="lambda", source="events"} 50)",
          R"(fettle_cost_month_to_date_usd{kind="gpu", provider="runpod", source="events"} 135)",
          R"(fettle_cost_month_to_date_usd{kind="spend", service="llm", source="events"} 6.5)",
          R"(fettle_gpu_burst_spend_usd_total{provider="lambda"} 50)",
          R"(fettle_gpu_burst_spend_usd_total{provider="runpod"} 145)",
          R"(fettle_gpu_burst_active_instances{provider="lambda"} 1)",
          R"(fettle_gpu_burst_active_instances{provider="runpod"} 1)",
          R"(fettle_gpu_burst_oldest_start_timestamp_seconds{provider="lambda"} 1767441600)",
          R"(fettle_gpu_burst_oldest_start_timestamp_seconds{provider="runpod"} 1767189600)"));
}

TEST_F(EventsTest, WhatIsForgottenStillCostsSomething) {
  At(0, R"("kind":"gpu","phase":"start","usd_per_hour":2,"labels":{"instance":"i"})");
  Pass(10h);
  At(10, R"("kind":"gpu","phase":"end","labels":{"instance":"i"})");
  At(9, R"("kind":"gpu","phase":"start","usd_per_hour":1,"labels":{"instance":"long"})");
  At(10, R"("kind":"deploy","phase":"end")");
  Pass(Events::kKept + 1h);
  const double ran = ToSeconds(Events::kKept + 2h) / 3600;
  const auto total = [&] {
    for (const std::string& line : Shown()) {
      if (line.starts_with("fettle_gpu_burst_spend_usd_total")) return line;
    }
    return std::string();
  };
  const std::string expected = fmt::format("fettle_gpu_burst_spend_usd_total{{}} {}", 20 + ran);
  EXPECT_EQ(total(), expected);
  EXPECT_EQ(store.All("event").size(), 1U) << "the one that runs keeps its start";
  Boot();
  EXPECT_EQ(total(), expected);
}

TEST_F(EventsTest, RulesSeeTheNewestOfEachAtOnce) {
  At(0, R"("kind":"deploy","phase":"end","labels":{"service":"web","commit":"c1"})");
  Pass(1h);
  At(1, R"("kind":"deploy","phase":"end","labels":{"service":"web","commit":"c2"})");
  EXPECT_THAT(
      Shown(),
      ElementsAre(
          R"(fettle_event_timestamp_seconds{kind="deploy", phase="end", service="web"} 1767229200)"));
  EXPECT_EQ(publisher.published.size(), 2U);
  EXPECT_EQ(
      metrics_->Counter("fettle_events_total", "", {{"kind", "deploy"}, {"phase", "end"}}).Value(),
      2);
  const Result<Json> list = Json::Parse(events_->List({.url = "/e?kind=deploy&limit=1"}).body);
  ASSERT_TRUE(list);
  ASSERT_EQ((*list)["events"].Items().size(), 1U);
  EXPECT_EQ((*list)["events"].Items()[0]["labels"]["commit"].StringOr(""), "c2");
  EXPECT_EQ(events_->List({.url = "/e?limit=x"}).status, 400);
}

}  // namespace
}  // namespace fettle::receivers
