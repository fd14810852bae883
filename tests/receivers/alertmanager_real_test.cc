// The same alerts, the same alertmanager.yml: a real Alertmanager and fettle say the same, and what
// the real one says, fettle takes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "common/duration.h"
#include "common/http_client.h"
#include "common/json.h"
#include "receivers/intake.h"
#include "tests/support/alertmanager_server.h"
#include "tests/support/fake_alert_sink.h"
#include "tests/support/raw_server.h"
#include "tests/support/town.h"
#include "tests/support/wait.h"

namespace fettle::receivers {
namespace {

using testing::SizeIs;

using namespace std::chrono_literals;

// Takes every message over real HTTP; some are answered by a handler.
class Sink {
 public:
  explicit Sink(HttpHandler handler = nullptr)
      : handler_(std::move(handler)), server_([this](RawServer::Connection& connection) {
          for (;;) {
            const std::string request = connection.ReadRequest();
            if (request.empty()) return;
            HttpRequest parsed;
            parsed.method = "POST";
            parsed.url = request.substr(5, request.find(' ', 5) - 5);
            parsed.body = request.substr(request.find("\r\n\r\n") + 4);
            const HttpResponse answer = handler_ ? handler_(parsed) : HttpResponse{};
            {
              const std::lock_guard lock(mutex_);
              bodies_.push_back(parsed.body);
              statuses_.push_back(answer.status);
            }
            connection.Write(
                fmt::format("HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n", answer.status));
          }
        }) {}
  std::string url() const { return server_.Url("/hook"); }
  std::vector<std::string> Bodies() const {
    const std::lock_guard lock(mutex_);
    return bodies_;
  }
  std::vector<int> Statuses() const {
    const std::lock_guard lock(mutex_);
    return statuses_;
  }

 private:
  const HttpHandler handler_;
  mutable std::mutex mutex_;
  std::vector<std::string> bodies_;
  std::vector<int> statuses_;
  RawServer server_;
};

constexpr const char* kConfig = R"(
route:
  receiver: 'a.b/ok'
  group_by: [alertname, sev]
  group_wait: 300ms
  group_interval: 1s
  repeat_interval: 1000h
  routes:
  - {matchers: ['team="b"', 'zone!~"x|y"'], receiver: 'a.b/ok', group_by: ['...']}
  - {match: {team: c}, match_re: {zone: ".*"}, receiver: 'a.b/ok', group_by: [nothing]}
  - {matchers: ['team="quiet"'], receiver: nobody}
receivers:
- {name: 'a.b/ok', webhook_configs: [{url: "URL", max_alerts: 3}]}
- {name: nobody}
inhibit_rules:
- {source_matchers: ['sev="critical"'], target_matchers: ['sev="warning"'], equal: [host]}
)";

struct PostedAlert {
  Labels labels;
  Labels annotations;
  std::string starts;
  std::string ends;
  std::string url;
};

const std::vector<PostedAlert>& Alerts() {
  static const std::string kFarAway = "2036-01-01T00:00:00Z";
  static const std::vector<PostedAlert> alerts = {
      {{{"alertname", "A2"},
        {"sev", "a"},
        {"job", "j2"},
        {"instance", "i1"},
        {"x", "<é&\x01\x7f>"}},
       {{"s", "q\"\\\n\t"}, {"common", "c"}},
       "2026-01-01T00:00:00.120Z",
       kFarAway,
       "http://g/?a=1&b=2"},
      {{{"alertname", "A2"}, {"sev", "a"}, {"job", "j1"}},
       {{"common", "c"}},
       "2026-01-01T00:00:00Z",
       kFarAway,
       ""},
      {{{"alertname", "A2"}, {"sev", "a"}},
       {{"common", "c"}},
       "2026-01-01T00:00:00Z",
       kFarAway,
       ""},
      {{{"alertname", "A2"}, {"sev", "a"}, {"zz", "1"}}, {}, "2026-01-01T00:00:00Z", kFarAway, ""},
      {{{"alertname", "B"}, {"team", "b"}, {"quote", "a\"b\\c\nd"}, {"empty", ""}},
       {},
       "2026-01-01T01:00:00Z",
       kFarAway,
       ""},
      {{{"alertname", "C"}, {"team", "c"}}, {}, "2026-01-01T01:00:00Z", kFarAway, ""},
      {{{"alertname", "D"}, {"team", "quiet"}}, {}, "2026-01-01T01:00:00Z", kFarAway, ""},
      {{{"alertname", "Down"}, {"sev", "critical"}, {"host", "h"}},
       {},
       "2026-01-01T01:00:00Z",
       kFarAway,
       ""},
      {{{"alertname", "Slow"}, {"sev", "warning"}, {"host", "h"}},
       {},
       "2026-01-01T01:00:00Z",
       kFarAway,
       ""},
      {{{"alertname", "Slow"}, {"sev", "warning"}, {"host", "i"}},
       {},
       "2026-01-01T01:00:00Z",
       kFarAway,
       ""},
  };
  return alerts;
}

// Those that inhibit others: known first, because these alerts are too old to wait for a group.
std::vector<PostedAlert> Sources() {
  std::vector<PostedAlert> sources = Alerts();
  std::erase_if(sources, [](const PostedAlert& a) { return a.labels.Get("sev") != "critical"; });
  return sources;
}

std::string ToJson(const std::vector<PostedAlert>& alerts) {
  JsonWriter writer;
  writer.BeginArray();
  for (const PostedAlert& alert : alerts) {
    writer.BeginObject();
    for (const auto& [key, labels] :
         {std::pair("labels", &alert.labels), std::pair("annotations", &alert.annotations)}) {
      writer.Key(key).BeginObject();
      for (const auto& [name, value] : *labels) writer.Field(name, value);
      writer.EndObject();
    }
    writer.Field("startsAt", alert.starts).Field("endsAt", alert.ends);
    writer.Field("generatorURL", alert.url).EndObject();
  }
  writer.EndArray();
  return writer.Take();
}

AlertBatch ToBatch(const std::vector<PostedAlert>& alerts) {
  AlertBatch batch{AlertSource::kApi, {}};
  for (const PostedAlert& alert : alerts) {
    batch.alerts.push_back({alert.labels, alert.annotations, ParseRfc3339(alert.starts).value(),
                            ParseRfc3339(alert.ends).value(), alert.url});
  }
  return batch;
}

std::string WithUrl(const std::string& url) {
  std::string config = kConfig;
  config.replace(config.find("URL"), 3, url);
  return config;
}

// By group key; without what only newer ones send.
std::map<std::string, std::string> ByGroup(const std::vector<std::string>& bodies) {
  std::map<std::string, std::string> groups;
  for (std::string body : bodies) {
    const std::string group = Json::Parse(body).value()["groupKey"].StringOr("?");
    RE2::GlobalReplace(&body, R"re("notification_reason":"[^"]*",)re", "");
    groups[group] = std::move(body);
  }
  return groups;
}

TEST(AlertmanagerRealTest, BothSayTheSameOfTheSameAlerts) {
  Sink sink;
  const auto alertmanager = AlertmanagerServer::Start(WithUrl(sink.url()));
  Telling::Options options;
  options.external_url = "http://am.example/x";
  Town town(WithUrl("http://town/people"), options);

  alertmanager->Post(ToJson(Sources()));
  alertmanager->Post(ToJson(Alerts()));
  ASSERT_TRUE(town.Post(ToBatch(Sources())));
  ASSERT_TRUE(town.Post(ToBatch(Alerts())));
  town.Pass(900ms);
  const auto ours = ByGroup(town.Bodies());
  EXPECT_THAT(ours, SizeIs(5));
  // A slow sender tells a part of a group first, and the whole a group_interval later.
  (void)WaitUntil([&] { return ByGroup(sink.Bodies()) == ours; });
  EXPECT_EQ(ByGroup(sink.Bodies()), ours);

  // Some end; one of the sources, too.
  std::vector<PostedAlert> over;
  for (PostedAlert alert : Alerts()) {
    const std::string_view name = alert.labels.Get("alertname");
    if (alert.labels.Has("job") || name == "Down" || name == "C") {
      alert.ends = "2026-01-01T02:00:00Z";
      over.push_back(alert);
    }
  }
  const std::size_t heard = sink.Bodies().size();
  const std::size_t told = town.Bodies().size();
  alertmanager->Post(ToJson(over));
  // The town's clock stands in the past of those alerts' end.
  town.clock().StepWall(3h);
  ASSERT_TRUE(town.Post(ToBatch(over)));
  town.Pass(2s);
  const auto later = [](std::vector<std::string> bodies, std::size_t from) {
    bodies.erase(bodies.begin(), bodies.begin() + static_cast<std::ptrdiff_t>(from));
    return ByGroup(bodies);
  };
  const auto ours_later = later(town.Bodies(), told);
  (void)WaitUntil([&] { return later(sink.Bodies(), heard) == ours_later; });
  EXPECT_EQ(later(sink.Bodies(), heard), ours_later);
}

TEST(AlertmanagerRealTest, WhatTheRealOneSendsIsTakenAndStored) {
  ManualClock clock;
  FakeAlertSink sink_of_alerts;
  Metrics metrics;
  RecordedLog log;
  WebhookIntake intake(
      {.sink = sink_of_alerts, .clock = clock, .metrics = metrics, .log = log.For("webhook")});
  std::mutex mutex;
  Sink sink([&](const HttpRequest& request) {
    const std::lock_guard lock(mutex);
    return intake.Handle(request);
  });
  const auto alertmanager = AlertmanagerServer::Start(WithUrl(sink.url()));
  alertmanager->Post(ToJson(Sources()));
  alertmanager->Post(ToJson(Alerts()));
  // A slow sender may split a group over several messages, and repeats what it has told.
  const auto told = [&] {
    const std::lock_guard lock(mutex);
    std::set<std::string> alerts;
    for (const AlertBatch& batch : sink_of_alerts.batches) {
      for (const Alert& alert : batch.alerts) alerts.insert(alert.labels.ToString());
    }
    return alerts.size();
  };
  const auto truncated = [&] {
    return metrics.Counter("fettle_webhook_truncated_alerts_total", "").Value();
  };
  EXPECT_TRUE(WaitUntil([&] { return told() >= 7 && truncated() >= 1; }))
      << told() << " of nine that are told: one is inhibited, and of a message " << truncated()
      << " truncated";
  EXPECT_THAT(sink.Statuses(), testing::Each(200));
  const std::lock_guard lock(mutex);
  for (const AlertBatch& batch : sink_of_alerts.batches) {
    for (const Alert& alert : batch.alerts) {
      EXPECT_TRUE(std::any_of(Alerts().begin(), Alerts().end(), [&](const PostedAlert& posted) {
        return posted.labels == alert.labels && posted.annotations == alert.annotations &&
               ParseRfc3339(posted.starts).value() == alert.starts_at;
      })) << alert.labels.ToString();
    }
  }
  EXPECT_EQ(metrics.Counter("fettle_webhook_fingerprint_mismatches_total", "").Value(), 0);
}

}  // namespace
}  // namespace fettle::receivers
