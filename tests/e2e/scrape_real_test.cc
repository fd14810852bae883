// The same pages scraped by a real Prometheus and by fettle, side by side: the same series with the
// same values, the same labels, the same verdicts on pages that are broken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>

#include "tests/support/peer.h"
#include "tests/support/program.h"
#include "tests/support/prometheus_server.h"
#include "tests/support/test_server.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

constexpr char kText[] = R"(# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{method="get",code="200"} 1027
http_requests_total{ method = "post" , code="400", } 3
# TYPE rpc summary
rpc{quantile="0.5"} 4773
rpc{quantile="1"} 9001.5
rpc_sum 1.7560473e+07
rpc_count 2693
# TYPE took histogram
took_bucket{le="1"} 24054
took_bucket{le="0.1"} 100
took_bucket{le="+Inf"} 144320
took_sum 53423
took_count 144320
esc{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\"",odd="a\tb"} 1.458255915e9
tabbed{a="b"}	-3.5e-7
inf +Inf
minus -inf
nan NaN
clash{job="theirs",instance="theirs",exported_job="older"} 1
empty{instance="",job=""} 2
{"quoted.name","label.x"="ü"} 5
same 1
)";

constexpr char kOpen[] = R"(# TYPE events counter
# HELP events What \"happened\".
# UNIT wait_seconds seconds
events_total{a="b"} 17.5
events_created{a="b"} 1500000000.25
# TYPE wait_seconds histogram
wait_seconds_bucket{le="1"} 4 # {trace_id="x"} 0.5
wait_seconds_bucket{le="+Inf"} 5
wait_seconds_sum 3
wait_seconds_count 5
# TYPE build info
build_info{version="1"} 1
# TYPE state stateset
state{state="on"} 1
state{state="off"} 0
# EOF
)";

// Jobs that a page server serves; each is a scrape_config without its targets.
constexpr const char* kJobs[] = {
    "job_name: text, metrics_path: /text",
    "job_name: honest, metrics_path: /text, honor_labels: true",
    "job_name: open, metrics_path: /open",
    "job_name: broken, metrics_path: /broken",
    "job_name: unfinished, metrics_path: /unfinished",
    "job_name: twice, metrics_path: /twice",
    "job_name: missing, metrics_path: /missing",
    "job_name: untyped, metrics_path: /untyped",
    "job_name: fallback, metrics_path: /untyped, fallback_scrape_protocol: PrometheusText0.0.4",
    "job_name: few, metrics_path: /text, sample_limit: 5",
    "job_name: short, metrics_path: /text, body_size_limit: 100B",
    "job_name: narrow, metrics_path: /text, label_limit: 3",
    "job_name: mine, metrics_path: /text, metric_relabel_configs: [{source_labels: [__name__], "
    "regex: 'took_(.*)', target_label: __name__, replacement: 'took2_$1'}, {source_labels: "
    "[__name__], regex: 'rpc.*', action: drop}, {regex: 'odd|path', action: labeldrop}, "
    "{source_labels: [method], target_label: shard, modulus: 7, action: hashmod}]",
    "job_name: named, metrics_path: /text, relabel_configs: [{source_labels: [__address__, job], "
    "regex: '(.*):.*;(.*)', target_label: where, replacement: '${2}@$1'}, {target_label: instance, "
    "replacement: here}]",
};

class Pages {
 public:
  Pages() {
    Serve("/text", kText, "text/plain; version=0.0.4");
    Serve("/open", kOpen, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    Serve("/broken", "a 1\nb x\n", "text/plain");
    Serve("/unfinished", "a 1\n", "application/openmetrics-text; version=1.0.0");
    Serve("/twice", "a{b=\"c\",b=\"d\"} 1\n", "text/plain");
    Serve("/untyped", "a 1\n", "text/html");
    server_.Start();
  }
  std::string address() const { return server_.address(); }

 private:
  void Serve(const std::string& path, std::string page, std::string type) {
    server_.Route("GET", path,
                  [page = std::move(page), type = std::move(type)](const HttpRequest&) {
                    HttpResponse response = TextResponse(200, page);
                    response.headers.Set("Content-Type", type);
                    return response;
                  });
  }
  TestServer server_;
};

std::string Jobs(const std::string& address) {
  std::string yaml;
  for (const char* job : kJobs) {
    yaml += std::string("- {") + job + ", static_configs: [{targets: ['" + address + "']}]}\n";
  }
  return yaml;
}

// "labels value" of every series of the jobs, but those that say how long something took.
std::set<std::string> SeriesIn(const std::string& answer) {
  std::set<std::string> lines;
  const Result<Json> json = Json::Parse(answer);
  if (!json) return {answer};
  for (const Json& element : (*json)["data"]["result"].Items()) {
    Labels labels;
    for (const auto& [name, value] : element["metric"].Entries()) {
      labels.Set(name, value.StringOr(""));
    }
    if (labels.Get(kMetricName) == "scrape_duration_seconds") continue;
    lines.insert(labels.ToString() + " " + element["value"].Items().at(1).StringOr(""));
  }
  return lines;
}

constexpr char kQuery[] = "/api/v1/query?query=";

TEST(ScrapeRealTest, StoresWhatPrometheusStores) {
  const Pages pages;
  const std::string jobs = "scrape_configs:\n" + Jobs(pages.address());
  const auto prometheus =
      PrometheusServer::Start("global: {scrape_interval: 1s, scrape_timeout: 1s}\n" + jobs);
  if (prometheus->Get("/api/v1/status/buildinfo").find("\"version\":\"3.") == std::string::npos) {
    GTEST_SKIP() << "Prometheus 2 reads pages otherwise";
  }
  std::string indented;
  for (const char c : jobs) {
    indented += c;
    if (c == '\n') indented += "  ";
  }
  Program fettle({.config = "exporter:\n  interval: 1s\n  " + indented + "\nrules: {}\n"});
  fettle.Start();
  // Every job was scraped at least twice: nothing is new any more.
  const std::string settled = "count(up) + count(scrape_series_added == 0)";
  const double whole = 2.0 * static_cast<double>(std::size(kJobs));
  ASSERT_TRUE(WaitUntil([&] { return prometheus->Query(settled) == whole; }));
  const std::string own = "count(up) + count(scrape_series_added == 0)";
  ASSERT_TRUE(WaitUntil([&] { return fettle.Query(own) == whole; })) << fettle.Query(own);
  const std::string everything = kQuery + PercentEncode(
                                              "{__name__!='',job!='fettle'} or "
                                              "{__name__!='',where!=''}");
  const auto wanted = SeriesIn(prometheus->Get(everything));
  const auto found = SeriesIn(fettle.Get(everything).body);
  EXPECT_GT(wanted.size(), 100U);
  EXPECT_THAT(found, testing::ContainerEq(wanted));
}

TEST(ScrapeRealTest, ReadsRealPagesAndShowsItsTargets) {
  const auto prometheus = PrometheusServer::Start("global: {scrape_interval: 15s}\n");
  Program fettle({.config = "exporter:\n  interval: 500ms\n  scrape_configs:\n"
                            "  - {job_name: prometheus, static_configs: [{targets: ['" +
                            prometheus->url().substr(7) +
                            "']}]}\n"
                            "  - {job_name: nobody, static_configs: [{targets: "
                            "['127.0.0.1:1']}]}\nrules: {}\n"});
  fettle.Start();
  EXPECT_TRUE(WaitUntil([&] { return fettle.Query("up{job=\"prometheus\"}") == 1; }));
  EXPECT_TRUE(WaitUntil([&] { return fettle.Query("up{job=\"nobody\"}") == 0; }));
  EXPECT_GT(fettle.Query("count({job=\"prometheus\"})"), 400);
  EXPECT_EQ(fettle.Query("prometheus_build_info{job=\"prometheus\"}"), 1);
  const auto shown = [&] {
    const Result<Json> answer = Json::Parse(fettle.Get("/api/v1/targets?state=active").body);
    std::set<std::string> targets;
    for (const Json& target : (*answer)["data"]["activeTargets"].Items()) {
      targets.insert(target["scrapePool"].StringOr("") + " " + target["health"].StringOr(""));
    }
    return targets;
  };
  EXPECT_TRUE(WaitUntil([&] {
    return shown() == std::set<std::string>{"nobody down", "prometheus up"};
  }));
  // What it knew of the page is said of it.
  EXPECT_TRUE(WaitUntil([&] {
    return fettle.Get("/api/v1/metadata?metric=prometheus_build_info").body.find("gauge") !=
           std::string::npos;
  }));
  // A target that ends takes its series with it.
  prometheus->child().Signal(SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return fettle.Query("up{job=\"prometheus\"}") == 0; }));
  EXPECT_EQ(fettle.Query("prometheus_build_info{job=\"prometheus\"}"), -1);
}

}  // namespace
}  // namespace fettle
