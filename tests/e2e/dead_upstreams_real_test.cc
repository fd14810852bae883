// Everything that fettle watches is dead: some never answer, some refuse. Goal: a scrape neither
// waits nor lies; what is down says `up 0` and has no values, and a real Prometheus reads the page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "tests/support/peer.h"
#include "tests/support/program.h"
#include "tests/support/prometheus_server.h"
#include "tests/support/raw_server.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

class DeadUpstreamsRealTest : public testing::Test {
 protected:
  DeadUpstreamsRealTest()
      : mute_([](RawServer::Connection& connection) { connection.WaitForClose(); }),
        program_({.config = Config()}) {}

  std::string Config() const {
    return fmt::format(R"(
connections:
  docker: {{local: {{endpoint: "tcp://{0}"}}}}
  postgres:
    mute: {{dsn: "host=127.0.0.1 port={1} dbname=x user=y"}}
    closed: {{dsn: "host=127.0.0.1 port={2} dbname=x user=y"}}
  redis: {{mute: {{address: "{0}"}}, closed: {{address: "127.0.0.1:{2}"}}}}
  s3:
    mute: {{endpoint: "http://{0}", access_key_id: a, secret_access_key: b}}
    closed: {{endpoint: "http://127.0.0.1:{2}", access_key_id: a, secret_access_key: b}}
exporter:
  interval: 1s
  docker: {{connection: local}}
  host: {{}}
  health:
  - {{name: mute, http: {{url: "http://{0}/"}}, interval: 1s, timeout: 500ms}}
  - {{name: closed, tcp: {{address: "127.0.0.1:{2}"}}, interval: 1s, timeout: 500ms}}
  postgres: [{{connection: mute, archive: true}}, {{connection: closed}}]
  redis: [{{connection: mute, lists: [celery]}}, {{connection: closed, lists: [celery]}}]
  s3:
  - {{name: mute, connection: mute, bucket: b, posture: true}}
  - {{name: closed, connection: closed, bucket: b}}
  cost: {{s3_prices: {{region: eu-central-1}}}}
)",
                       "127.0.0.1:" + std::to_string(mute_.port()), mute_.port(), closed_port_);
  }
  // Until everybody has been asked once; the slowest give up after ten seconds.
  void SetUp() override {
    program_.Start();
    for (const char* upstream :
         {R"(collector="docker",target="local")", R"(collector="postgres",target="mute")",
          R"(collector="postgres",target="closed")", R"(collector="redis",target="mute")",
          R"(collector="redis",target="closed")", R"(collector="s3",target="mute")",
          R"(collector="s3",target="closed")"}) {
      const std::string series = fmt::format("fettle_collector_up{{{}}}", upstream);
      ASSERT_TRUE(WaitUntil([&] { return program_.Metric(series) == 0; }, 40s)) << series;
    }
  }

  const int closed_port_ = FreePort();
  RawServer mute_;
  Program program_;
};

TEST_F(DeadUpstreamsRealTest, AScrapeNeitherWaitsNorLies) {
  std::vector<double> took;
  std::string page;
  for (int i = 0; i < 20; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const HttpResponse answer = program_.Get("/metrics");
    took.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
            .count());
    EXPECT_EQ(answer.status, 200);
    page = answer.body;
  }
  std::sort(took.begin(), took.end());
  EXPECT_LT(took[18], 50) << testing::PrintToString(took);  // all but one: the machine is shared

  for (const char* down :
       {R"(fettle_pg_up{target="mute"} 0)", R"(fettle_pg_up{target="closed"} 0)",
        R"(fettle_redis_up{target="mute"} 0)", R"(fettle_redis_up{target="closed"} 0)",
        R"(fettle_s3_up{bucket="b",target="mute"} 0)",
        R"(fettle_s3_up{bucket="b",target="closed"} 0)",
        R"(fettle_probe_up{kind="http",name="mute"} 0)",
        R"(fettle_probe_up{kind="tcp",name="closed"} 0)",
        R"(fettle_collector_up{collector="docker",target="local"} 0)"}) {
    EXPECT_THAT(page, HasSubstr(down));
  }
  for (const char* value :
       {"fettle_container_state{", "fettle_container_health{", "fettle_container_restarts_total{",
        "fettle_pg_connections", "fettle_pg_database_bytes{", "fettle_pg_in_recovery{",
        "fettle_redis_memory", "fettle_queue_length{", "fettle_s3_objects{", "fettle_s3_bytes{",
        "fettle_s3_newest", "fettle_cost_month_to_date_usd{"}) {
    EXPECT_THAT(page, Not(HasSubstr(value)));
  }
  // What does not depend on them is there.
  EXPECT_GT(program_.Metric("fettle_host_load1"), -1);
}

TEST_F(DeadUpstreamsRealTest, ThePageIsCleanForPromtoolOpenMetricsAndPrometheus) {
  const TempDir dir;
  dir.Write("page", program_.Get("/metrics").body);
  const int code =
      Child::Run({.argv = {"sh", "-c", PromtoolProgram() + " check metrics < " + (dir / "page")},
                  .log_file = dir / "promtool"});
  EXPECT_EQ(code, 0);
  EXPECT_EQ(dir.Read("promtool"), "");

  HttpRequest request{.url = "/metrics"};
  request.headers.Set("Accept", "application/openmetrics-text; version=1.0.0; charset=utf-8");
  const HttpResponse open = program_.Send(request);
  EXPECT_EQ(open.status, 200);
  EXPECT_THAT(std::string(open.headers.Get("Content-Type")),
              HasSubstr("application/openmetrics-text; version=1.0.0"));
  EXPECT_TRUE(open.body.ends_with("# EOF\n"));

  const auto prometheus = PrometheusServer::Start(fmt::format(
      "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: fettle, static_configs: "
      "[{{targets: ['127.0.0.1:{}']}}]}}]\n",
      program_.port()));
  ASSERT_TRUE(WaitUntil([&] { return prometheus->Query("up{job=\"fettle\"}") == 1; }))
      << prometheus->Get("/api/v1/targets");
  EXPECT_EQ(prometheus->Query("fettle_pg_up{target=\"mute\"}"), 0);
  EXPECT_EQ(prometheus->Query("fettle_pg_connections"), -1);
  EXPECT_THAT(prometheus->Get("/api/v1/targets"), HasSubstr("\"lastError\":\"\""));
}

}  // namespace
}  // namespace fettle
