// The real Engine: Docker's API (or Podman's compatible one) over an HttpTransport, by Unix socket
// or TCP (a socket proxy). Safe from any thread; calls block, each with its own deadline.
//
// The version is negotiated by GET /_ping at the first call and again after the engine was away,
// and lies between kVersionMin and kVersionMax, or is the least that a newer engine still speaks. A
// call that acts (restart, start, stop, kill, exec) has a fresh connection, so that no retry of a
// transport can do it twice. One that times out may still happen, and so may one whose connection
// breaks after it was sent: both are kTimeout.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/engine.h"
#include "common/http.h"
#include "common/log.h"
#include "common/metrics.h"

namespace fettle {

class DockerEngine final : public Engine {
 public:
  // 1.25 brought the health filter; between the two nothing that is used here changed.
  static constexpr int kVersionMin = 25;
  static constexpr int kVersionMax = 51;
  // More containers than this is kLimit, as is a grace period beyond an hour (kInvalid).
  static constexpr std::size_t kContainersMax = 10'000;
  static constexpr int kStopTimeoutMax = 3'600;
  static constexpr std::size_t kAnswerBytesMax = 16 * 1024 * 1024;
  static constexpr std::size_t kExecOutputMax = 64 * 1024;  // the last of it is kept
  static constexpr Millis kLookTimeout{5'000};
  static constexpr Millis kActMargin{30'000};  // beyond the grace period
  // An event stream that was silent for so long is subscribed anew: it may be dead without a word.
  static constexpr Millis kSilenceMax{300'000};

  struct Deps {
    HttpTransport& http;
    Metrics& metrics;
    Log log;
  };
  struct Options {
    std::string name;      // the connection's, in metrics and messages
    std::string endpoint;  // unix:///run/docker.sock, tcp://proxy:2375, http://…, https://…
    TlsOptions tls;
  };
  // kInvalid for an endpoint of no such form. Connects to nothing yet.
  static Result<std::unique_ptr<DockerEngine>> Create(Deps deps, Options options);

  ~DockerEngine() override;

  const std::string& Name() const override { return options_.name; }
  Status Ping() override;
  Result<std::vector<Container>> List(const std::vector<std::string>& label_filters) override;
  Result<Container> Inspect(const std::string& id) override;
  Result<ContainerStats> Stats(const std::string& id) override;
  Result<std::vector<EngineNetwork>> Networks() override;
  Result<std::string> Logs(const std::string& id, int tail_lines, std::size_t bytes_max) override;
  Status Restart(const std::string& id, int stop_timeout_s) override;
  Status Start(const std::string& id) override;
  Status Stop(const std::string& id, int stop_timeout_s) override;
  Status Kill(const std::string& id, const std::string& signal) override;
  Result<std::string> ExecCreate(const std::string& id,
                                 const std::vector<std::string>& argv) override;
  // kTimeout if it still runs then: it goes on, and ExecInspect tells how it ends.
  Result<ExecResult> ExecStart(const std::string& exec_id, Millis timeout) override;
  Result<ExecState> ExecInspect(const std::string& exec_id) override;
  // Events at or after `since` (by the engine's clock) that its buffer still holds come first, so
  // some may come twice. Ends without an error when the stream was silent for kSilenceMax.
  Status Follow(Time since, const std::function<void()>& ready,
                const std::function<void(const EngineEvent&)>& on_event,
                std::stop_token stop) override;

 private:
  struct Call {
    const char* name;       // for metrics: "restart"
    std::string intention;  // for messages: "restarting shop-web-1"
    std::string method = "GET";
    std::string path;                    // after the version
    std::optional<std::string> id = {};  // in the path: refused if it cannot be one
    std::string body = {};
    bool acts = false;
    HttpOptions options = {};
  };
  struct Counters;

  DockerEngine(Deps deps, Options options, std::string base_url, std::string socket);
  Result<std::string> Version();
  void ForgetVersion();
  Result<std::string> Negotiate();
  // The answer if it is one of success (2xx, 304); what went wrong otherwise.
  Result<HttpResponse> Send(Call call);
  Result<HttpResponse> SendOnce(const Call& call, const std::string& version);
  // POST without a body, for the outcome alone.
  Status Act(const char* name, std::string intention, const std::string& id, std::string_view rest,
             Millis timeout);
  HttpOptions Routed(HttpOptions options) const;
  Status CheckGrace(const std::string& intention, int stop_timeout_s) const;

  const Deps deps_;
  const Options options_;
  const std::string base_url_;  // http://localhost or http://proxy:2375
  const std::string socket_;
  const std::unique_ptr<Counters> counters_;
  std::atomic<bool> distrust_{false};  // after a time-out, idle connections are left alone
  std::atomic<bool> podman_{false};

  std::mutex mutex_;  // guards the version
  std::optional<std::string> version_;
};

}  // namespace fettle
