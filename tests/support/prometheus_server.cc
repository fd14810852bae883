#include "tests/support/prometheus_server.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "common/http_client.h"
#include "common/json.h"
#include "tests/support/peer.h"
#include "tests/support/wait.h"

namespace fettle {

std::unique_ptr<PrometheusServer> PrometheusServer::Start(const std::string& config,
                                                          const std::string& rules,
                                                          std::vector<std::string> arguments) {
  std::unique_ptr<PrometheusServer> server(new PrometheusServer);
  server->port_ = FreePort();
  if (!rules.empty()) server->dir_.Write("rules.yml", rules);
  server->argv_ = {PrometheusProgram(),
                   "--config.file=" + server->dir_.Write("prometheus.yml", config),
                   "--storage.tsdb.path=" + server->dir_ / "data",
                   fmt::format("--web.listen-address=127.0.0.1:{}", server->port_)};
  for (std::string& argument : arguments) server->argv_.push_back(std::move(argument));
  server->StartAgain();
  return server;
}

void PrometheusServer::Kill() {
  child_->Signal(SIGKILL);
  (void)WaitUntil([this] { return !child_->Running(); });
}

void PrometheusServer::StartAgain() {
  child_ = Child::Start({.argv = argv_, .log_file = dir_ / "log"});
  HttpClient http;
  const auto ready = [&] {
    const auto answer = http.Send({.url = url() + "/-/ready"}, {});
    return answer && answer->status == 200;
  };
  if (!WaitUntil([&] { return ready() || !child_->Running(); }) || !ready()) {
    fmt::print(stderr, "test support: prometheus did not start: {}\n", child_->Log());
    std::abort();
  }
}

std::string PrometheusServer::Get(const std::string& path) const {
  HttpClient http;
  const auto answer = http.Send({.url = url() + path}, {});
  return answer ? answer->body : answer.error().message;
}

double PrometheusServer::Query(const std::string& expression) const {
  const Result<Json> answer = Json::Parse(Get("/api/v1/query?query=" + PercentEncode(expression)));
  if (!answer) return -1;
  const std::vector<Json> elements = (*answer)["data"]["result"].Items();
  if (elements.empty()) return -1;
  return std::strtod(elements[0]["value"].Items().at(1).StringOr("-1").c_str(), nullptr);
}

}  // namespace fettle
