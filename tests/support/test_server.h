// An HTTP server on a port of loopback that the kernel chooses, with everything it needs.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "common/check.h"
#include "common/http_server.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"

namespace fettle {

class TestServer {
 public:
  TestServer() {
    options.listen_address = "127.0.0.1:0";
    // A test's client may come again before a busy machine has closed its last connection.
    options.connections_per_address_max = 50;
  }

  void Route(std::string method, std::string path, HttpHandler handler, Role role = Role::kRead) {
    router_.Add(std::move(method), std::move(path), role, std::move(handler));
  }
  Status TryStart() {
    auto server = HttpServer::Start(
        {.clock = clock, .metrics = metrics, .log = log.For("http"), .exemplars = &exemplars},
        options, web_config, router_);
    if (!server) return tl::unexpected(server.error());
    server_ = *std::move(server);
    return {};
  }
  void Start() { FETTLE_CHECK(TryStart().has_value()); }
  void Stop() { server_.reset(); }

  std::string address() const { return server_->address(); }
  std::string url() const { return server_->url(); }

  // The value of one counter, gauge or (as NAME_count) of one histogram; -1 if it is not there.
  double Metric(const std::string& name, const Labels& labels) const;

  HttpServer::Options options;
  WebConfig web_config;
  ManualClock clock;
  Metrics metrics;
  ExemplarBoard exemplars;
  RecordedLog log;

 private:
  Router router_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace fettle
