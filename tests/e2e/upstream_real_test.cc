// fettle beside a real Prometheus and a real Alertmanager: it tells the one, asks the other, sends
// it samples and is federated by it; each is killed and comes back, and nothing is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/support/alertmanager_server.h"
#include "tests/support/program.h"
#include "tests/support/prometheus_server.h"
#include "tests/support/remote_write.h"
#include "tests/support/test_server.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

constexpr char kQuiet[] = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";

// Names of the alerts that an Alertmanager knows.
std::set<std::string> AlertsAt(const AlertmanagerServer& server) {
  HttpClient http;
  const auto answer = http.Send({.url = server.url() + "/api/v2/alerts"}, {});
  std::set<std::string> names;
  if (!answer) return names;
  const Result<Json> json = Json::Parse(answer->body);
  if (!json) return names;
  for (const Json& alert : json->Items()) names.insert(alert["labels"]["alertname"].StringOr(""));
  return names;
}

TEST(UpstreamRealTest, AnAlertmanagerThatComesBackKnowsEveryAlert) {
  const auto alertmanager = AlertmanagerServer::Start(kQuiet);
  TestServer target;
  target.Route("GET", "/metrics", [](const HttpRequest&) { return TextResponse(200, "a 1\n"); });
  target.Start();
  const std::string sent_errors = "prometheus_notifications_errors_total{alertmanager=\"" +
                                  alertmanager->url() + "/api/v2/alerts\"}";
  Program fettle({.config = R"(
exporter:
  interval: 200ms
  scrape_configs: [{job_name: t, static_configs: [{targets: [')" +
                            target.address() + R"(']}]}]
rules:
  evaluation_interval: 200ms
  rule_files: ['${RULES}']
  external_labels: {site: x}
  alertmanagers: [{static_configs: [{targets: [')" +
                            alertmanager->url().substr(7) + "']}]}]\n",
                  .environment = {{"RULES", FETTLE_TEST_DATA "/upstream/rules.yml"}}});
  fettle.Start();
  using Names = std::set<std::string>;
  EXPECT_TRUE(WaitUntil([&] { return AlertsAt(*alertmanager) == Names{"Always"}; }));
  EXPECT_NE(fettle.Get("/api/v1/alertmanagers").body.find(alertmanager->url() + "/api/v2/alerts"),
            std::string::npos);
  alertmanager->Kill();
  target.Stop();
  EXPECT_TRUE(WaitUntil(
      [&] { return fettle.Query("ALERTS{alertname=\"TargetDown\",alertstate=\"firing\"}") == 1; }));
  EXPECT_TRUE(WaitUntil([&] { return fettle.Metric(sent_errors) > 0; }));
  alertmanager->StartAgain();
  EXPECT_TRUE(WaitUntil([&] {
    return AlertsAt(*alertmanager) == Names({"Always", "TargetDown"});
  }));
}

TEST(UpstreamRealTest, RulesAskAPrometheus) {
  const auto prometheus = PrometheusServer::Start(
      "global: {scrape_interval: 1s}\nscrape_configs: [{job_name: p, static_configs: [{targets: "
      "[localhost:1]}]}]\n");
  Program fettle({.config = "rules: {evaluation_interval: 200ms, query_url: '" + prometheus->url() +
                            "', rule_files: ['${RULES}']}\n",
                  .environment = {{"RULES", FETTLE_TEST_DATA "/upstream/asked.yml"}}});
  fettle.Start();
  // What it makes of the answers is stored here.
  EXPECT_TRUE(WaitUntil([&] { return fettle.Query("count(asked:up{job=\"p\"})") == 1; }));
  EXPECT_EQ(fettle.Query("asked:up{job=\"p\"}"), 0);
  EXPECT_TRUE(WaitUntil(
      [&] { return fettle.Query("ALERTS{alertname=\"Asked\",alertstate=\"firing\"}") == 1; }));
  prometheus->Kill();
  EXPECT_TRUE(WaitUntil([&] {
    return fettle.Get("/api/v1/rules").body.find("asking " + prometheus->url()) !=
           std::string::npos;
  })) << "the rule says why it cannot be evaluated";
}

// The value of an expression at one moment, by GET.
double ValueAt(const std::string& body) {
  const Result<Json> answer = Json::Parse(body);
  if (!answer) return -1;
  const std::vector<Json> elements = (*answer)["data"]["result"].Items();
  if (elements.empty()) return -1;
  return std::strtod(elements[0]["value"].Items().at(1).StringOr("-1").c_str(), nullptr);
}

TEST(UpstreamRealTest, RemoteWriteOutlastsTheDeathOfBoth) {
  const auto prometheus = PrometheusServer::Start("global: {scrape_interval: 1m}\n", "",
                                                  {"--web.enable-remote-write-receiver"});
  const std::string url = prometheus->url() + "/api/v1/write";
  Program fettle(
      {.config = "exporter:\n  interval: 500ms\n  remote_write: [{url: '" + url +
                 "', name: p, queue_config: {batch_send_deadline: 100ms, max_backoff: 500ms}}]\n"
                 "rules: {evaluation_interval: 200ms, external_labels: {site: x}, rule_files: "
                 "['${RULES}']}\n",
       .environment = {{"RULES", FETTLE_TEST_DATA "/upstream/rules.yml"}}});
  fettle.Start();
  EXPECT_TRUE(WaitUntil([&] { return prometheus->Query("made:time{site=\"x\"}") > 0; }));
  EXPECT_TRUE(WaitUntil([&] {
    return prometheus->Query("ALERTS{alertname=\"Always\",alertstate=\"firing\"}") == 1;
  }));
  prometheus->Kill();
  const auto waits = [&](double samples) {
    return fettle.Metric("prometheus_remote_storage_samples_pending{remote_name=\"p\",url=\"" +
                         url + "\"}") >= samples;
  };
  EXPECT_TRUE(WaitUntil([&] { return waits(200); }));
  fettle.Kill();
  fettle.Start();
  EXPECT_TRUE(WaitUntil([&] { return fettle.Query("count_over_time(made:time[10m])") > 20; }));
  prometheus->StartAgain();
  const std::string query =
      "/api/v1/query?query=" + PercentEncode("count_over_time(made:time[10m])") +
      "&time=" + fmt::format("{:.3f}", ToSeconds(SystemClock().Now().wall));
  const double here = ValueAt(fettle.Get(query).body);
  EXPECT_GT(here, 20);
  // The process may have died between the store's log and the backlog.
  EXPECT_TRUE(WaitUntil([&] { return ValueAt(prometheus->Get(query)) >= here - 1; }))
      << ValueAt(prometheus->Get(query)) << " of " << here;
  EXPECT_LE(ValueAt(prometheus->Get(query)), here + 1);
}

std::vector<std::string> SortedLines(const std::string& text) {
  std::vector<std::string> lines;
  std::string line;
  for (const char c : text) {
    line += c;
    if (c == '\n') lines.push_back(std::exchange(line, {}));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

TEST(UpstreamRealTest, FederatesAsPrometheusDoes) {
  const auto prometheus = PrometheusServer::Start(
      "global: {scrape_interval: 1m, external_labels: {site: x, zone: z}}\n", "",
      {"--web.enable-remote-write-receiver"});
  Program fettle({.config = "rules: {external_labels: {site: x, zone: z}}\n",
                  .arguments = {"--web.enable-remote-write-receiver"}});
  fettle.Start();
  const Time now = SystemClock().Now().wall - Millis(2'000);
  const std::vector<Sample> samples = {
      {{{"__name__", "b"}, {"x", "2"}}, 2, now},
      {{{"__name__", "b"}, {"x", "1"}, {"instance", "i"}}, 1.5, now},
      {{{"__name__", "b"}, {"site", "own"}}, 1e21, now},
      {{{"__name__", "a"}, {"q", "\"\\\n\u00fc"}}, -0.00000123, now - Millis(60'000)},
      {{{"__name__", "ALERTS"}, {"alertname", "A"}, {"alertstate", "firing"}}, 1, now},
      {{{"__name__", "nan"}}, std::strtod("nan", nullptr), now},
      {{{"__name__", "inf"}}, std::strtod("inf", nullptr), now},
      {{{"__name__", "ended"}}, 1, now - Millis(1'000)},
      {{{"__name__", "ended"}}, StaleNaN(), now},
      {{{"__name__", "old"}}, 1, now - std::chrono::minutes(6)}};
  const HttpRequest write{
      .method = "POST",
      .url = prometheus->url() + "/api/v1/write",
      .headers = {{"Content-Type", "application/x-protobuf"}, {"Content-Encoding", "snappy"}},
      .body = RemoteWriteBody(samples)};
  const auto written = HttpClient().Send(write, {});
  ASSERT_TRUE(written.has_value());
  ASSERT_EQ(written->status / 100, 2) << written->body;
  HttpRequest same = write;
  same.url = "/api/v1/write";
  ASSERT_EQ(fettle.Send(same).status, 204);
  for (const char* selector :
       {"{__name__=~\"a|b|nan|inf|ended|old|ALERTS\"}", "b{x=\"1\"}", "none"}) {
    SCOPED_TRACE(selector);
    const std::string path = "/federate?match[]=" + PercentEncode(selector);
    EXPECT_THAT(SortedLines(fettle.Get(path).body),
                testing::ContainerEq(SortedLines(prometheus->Get(path))));
  }
}

}  // namespace
}  // namespace fettle
