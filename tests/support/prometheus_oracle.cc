#include "tests/support/prometheus_oracle.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "common/json.h"
#include "tests/support/peer.h"
#include "tests/support/remote_write.h"
#include "tests/support/wait.h"

namespace fettle {
std::string PrometheusOracle::Program() {
  const std::string program = PrometheusProgram();
  return std::filesystem::exists(program) ? program : "";
}

std::unique_ptr<PrometheusOracle> PrometheusOracle::Start() {
  std::unique_ptr<PrometheusOracle> server(new PrometheusOracle);
  const TempDir& directory = server->directory_;
  const std::string config =
      directory.Write("prometheus.yml", "storage: {tsdb: {out_of_order_time_window: 100000d}}\n");
  server->port_ = FreePort();
  server->child_ = Child::Start(
      {.argv = {Program(), "--config.file=" + config, "--storage.tsdb.path=" + (directory / "data"),
                "--web.listen-address=127.0.0.1:" + std::to_string(server->port_),
                "--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y",
                "--storage.tsdb.min-block-duration=10000h",
                "--storage.tsdb.max-block-duration=20000h",
                "--enable-feature=promql-experimental-functions,native-histograms"},
       .log_file = directory / "log"});
  const bool up = WaitUntil([&] { return !server->Version().empty(); });
  if (!up) {
    std::fprintf(stderr, "prometheus does not come up:\n%s\n", server->child_->Log().c_str());
    std::exit(1);
  }
  return server;
}

std::string PrometheusOracle::Version() {
  const Result<HttpResponse> response = Post("status/buildinfo", {});
  if (!response || response->status != 200) return "";
  const Result<Json> json = Json::Parse(response->body);
  return json ? (*json)["data"]["version"].StringOr("") : "";
}

Status PrometheusOracle::Write(const std::vector<Sample>& samples) {
  const HttpRequest post{.method = "POST",
                         .url = fmt::format("http://127.0.0.1:{}/api/v1/write", port_),
                         .headers = {{"Content-Type", "application/x-protobuf"},
                                     {"Content-Encoding", "snappy"},
                                     {"X-Prometheus-Remote-Write-Version", "0.1.0"}},
                         .body = RemoteWriteBody(samples)};
  const Result<HttpResponse> response = http_.Send(post, {.timeout = Millis(60'000)});
  if (!response) return tl::unexpected(response.error());
  if (response->status / 100 == 2) return {};
  return Fail("remote write: {} {}", response->status, response->body);
}

Result<HttpResponse> PrometheusOracle::Post(
    const std::string& endpoint, const std::vector<std::pair<std::string, std::string>>& form) {
  HttpRequest request{.method = endpoint.starts_with("status/") ? "GET" : "POST",
                      .url = fmt::format("http://127.0.0.1:{}/api/v1/{}", port_, endpoint),
                      .headers = {{"Content-Type", "application/x-www-form-urlencoded"}}};
  for (const auto& [name, value] : form) {
    if (!request.body.empty()) request.body += '&';
    request.body += name + "=" + PercentEncode(value);
  }
  if (request.method == "GET") request.headers = {};
  return http_.Send(request, {.timeout = Millis(60'000), .body_bytes_max = 256 * 1024 * 1024});
}

}  // namespace fettle
