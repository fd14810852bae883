#include "tests/support/alertmanager_server.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "common/http_client.h"
#include "tests/support/peer.h"
#include "tests/support/requests.h"
#include "tests/support/wait.h"

namespace fettle {

std::unique_ptr<AlertmanagerServer> AlertmanagerServer::Start(const std::string& config) {
  std::unique_ptr<AlertmanagerServer> server(new AlertmanagerServer);
  server->port_ = FreePort();
  server->argv_ = {AlertmanagerProgram(),
                   "--config.file=" + server->dir_.Write("alertmanager.yml", config),
                   "--storage.path=" + server->dir_ / "data",
                   fmt::format("--web.listen-address=127.0.0.1:{}", server->port_),
                   "--web.external-url=http://am.example/x",
                   "--web.route-prefix=/",
                   "--cluster.listen-address="};
  server->StartAgain();
  return server;
}

void AlertmanagerServer::Kill() {
  child_->Signal(SIGKILL);
  (void)WaitUntil([this] { return !child_->Running(); });
}

void AlertmanagerServer::StartAgain() {
  child_ = Child::Start({.argv = argv_, .log_file = dir_ / "log"});
  HttpClient http;
  const auto ready = [&] {
    const auto answer = http.Send(Get(url() + "/-/ready"), {});
    return answer && answer->status == 200;
  };
  if (!WaitUntil([&] { return ready() || !child_->Running(); }) || !ready()) {
    fmt::print(stderr, "test support: alertmanager did not start: {}\n", child_->Log());
    std::abort();
  }
}

void AlertmanagerServer::Post(const std::string& alerts) const {
  HttpClient http;
  HttpRequest request = fettle::Post(url() + "/api/v2/alerts", alerts);
  request.headers.Set("Content-Type", "application/json");
  const auto answer = http.Send(request, {});
  if (answer && answer->status == 200) return;
  fmt::print(stderr, "test support: alertmanager refused: {}\n",
             answer ? answer->body : answer.error().message);
  std::abort();
}

}  // namespace fettle
