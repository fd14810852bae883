// /api/v1/status/…: what clients of Prometheus ask about the server itself. Grafana decides by
// buildinfo what it may use; the others are read by people and by health checks.
//
// Safe from any thread.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "common/clock.h"
#include "common/http.h"
#include "common/router.h"
#include "rules/samples/samples.h"

namespace fettle::rules {

class StatusApi {
 public:
  struct Loaded {
    bool successful = true;  // of the last load of the configuration
    Time at;                 // of the last good one
  };
  struct Deps {
    const SampleStore& samples;
    const Clock& clock;
    // Both may be null.
    std::function<Loaded()> loaded{};
    // The configuration as Prometheus would show it, without anything secret.
    std::function<std::string()> config{};
  };
  struct Options {
    // Clients read it as the version of the API they speak to.
    std::string version = "3.14.0";
    std::string revision{};
    Time started{};
    std::string retention{};
    std::map<std::string, std::string> flags{};
  };
  StatusApi(Deps deps, Options options) : deps_(std::move(deps)), options_(std::move(options)) {}

  // buildinfo, runtimeinfo, tsdb, config, flags and walreplay under /api/v1/status/. This must
  // outlive the router.
  void AddRoutes(Router& router) const;

  HttpResponse BuildInfo(const HttpRequest& request) const;
  HttpResponse RuntimeInfo(const HttpRequest& request) const;
  // Reads every series' labels: seconds for a million of them.
  HttpResponse Tsdb(const HttpRequest& request) const;
  HttpResponse Config(const HttpRequest& request) const;
  HttpResponse Flags(const HttpRequest& request) const;
  // Always done: nothing is answered before the samples are back.
  HttpResponse WalReplay(const HttpRequest& request) const;

 private:
  const Deps deps_;
  const Options options_;
};

}  // namespace fettle::rules
