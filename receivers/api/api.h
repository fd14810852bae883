// Alertmanager's HTTP API v2, for amtool, Prometheus, Grafana and karma.
//
// A door parses and filters a snapshot of the alerts, then asks the brain why each of those that
// are left keeps quiet, a bounded number at a time, and writes the answer itself. Safe from any
// thread. Source: Alertmanager's api/v2/openapi.yaml; answers and errors as 0.33 was measured to
// give them. What differs: HEAD is answered like GET, without its body.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/router.h"
#include "receivers/alerts.h"
#include "receivers/api/answers.h"
#include "receivers/api/bodies.h"
#include "receivers/telling.h"

namespace fettle::receivers {

class Api {
 public:
  // The Alertmanager whose behaviour is claimed: amtool compares it with its own.
  static constexpr std::string_view kVersion = "0.33.1";
  static constexpr Millis kCountEvery{10'000};
  // How many alerts the brain is asked about at once.
  static constexpr std::size_t kAskedAtOnceMax = 5'000;

  struct Options {
    std::string prefix;       // "/foo", before /api/v2
    std::string own_version;  // ours, shown as the revision
    Time started;
    // As the drop-in: browsers of other sites may read (CORS), and /api/v1 says that it is gone.
    bool drop_in = false;
    std::size_t gets_max = 64;    // at once; then 503
    Millis answer_within{8'000};  // of the brain and the store; then 503
    MatcherSyntax syntax = MatcherSyntax::kFallback;
    // Who shares the work; empty if that is disabled. The first is this one.
    struct Peer {
      std::string name;
      std::string address;
    };
    std::vector<Peer> peers;
    // Where replicas come and go: who lives now, instead of `peers`.
    std::function<std::vector<Peer>()> live_peers = {};
  };
  struct Deps {
    Brain& brain;
    Alerts& alerts;
    Telling& telling;
    const Clock& clock;
    Metrics& metrics;
    Log log;
  };
  Api(Deps deps, Options options);

  // The API must outlive the server.
  void AddRoutes(Router& router);
  // Sets the gauges that count alerts and silences. Near-free unless something changed, and then
  // alerts are looked through every kCountEvery at most: a scrape of many alerts stays cheap.
  void Count();
  // Whatever is below the prefix's /api/v2/.
  HttpResponse Serve(const HttpRequest& request);

 private:
  using Method = HttpResponse (Api::*)(const HttpRequest& request);
  struct Endpoint {
    const char* method;
    const char* path;
    Role role;
    Method serve;
  };
  static const std::vector<Endpoint>& Endpoints();

  struct Filter;
  ApiResult<Filter> ReadFilter(const HttpRequest& request) const;
  // The snapshot's alerts that are wanted, with their verdicts; an error is 503.
  ApiResult<std::vector<AlertView>> Wanted(const Filter& filter);
  Result<bool> Judge(const Filter& filter, std::vector<AlertView>& views);

  HttpResponse GetStatus(const HttpRequest& request);
  HttpResponse GetReceivers(const HttpRequest& request);
  HttpResponse GetAlerts(const HttpRequest& request);
  HttpResponse PostAlerts(const HttpRequest& request);
  HttpResponse GetGroups(const HttpRequest& request);
  HttpResponse GetSilences(const HttpRequest& request);
  HttpResponse PostSilences(const HttpRequest& request);
  HttpResponse GetSilence(const HttpRequest& request);
  HttpResponse DeleteSilence(const HttpRequest& request);

  HttpResponse Route(const HttpRequest& request);
  // The id at the end of the path, or 422.
  ApiResult<std::string> SilenceId(const HttpRequest& request) const;
  // Runs `start` on the brain and waits for what it promises; nullopt if nothing came in time.
  template <typename T>
  std::optional<T> Await(std::function<void(std::function<void(T)>)> start);

  Deps deps_;
  const Options options_;
  std::atomic<std::size_t> gets_{0};
  prometheus::Counter& refused_gets_;
  prometheus::Counter& firing_;
  prometheus::Counter& resolved_;
  prometheus::Counter& invalid_;

  // The brain's.
  void CountNow(const Moment& now);
  std::uint64_t counted_version_ = 0;
  BootTime counted_at_{};
  std::size_t suppressed_ = 0;
};

}  // namespace fettle::receivers
