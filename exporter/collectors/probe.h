// Health probes: is it there, does it answer, in time?
//
// One failure is not an outage: a probe is down after `failures` consecutive ones (2). The first
// failure is confirmed at once, not an interval later, so that a hang is known in two time-outs.
//   fettle_probe_up{name,kind}                            1, or 0 once it is down
//   fettle_probe_duration_seconds{name,kind}              of the last try
//   fettle_probe_consecutive_failures{name,kind}
// A dead target is up 0, and the collector itself goes on being up.
// A try runs on a hand and blocks at most `timeout`.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/collector.h"
#include "common/connections.h"
#include "common/http.h"
#include "common/log.h"
#include "common/yaml.h"

namespace fettle::exporter {

// Healthy, or what was found instead; and families beyond the three above, such as a certificate's
// end, which are known even where the answer is no.
struct ProbeAnswer {
  ProbeAnswer(Status h) : health(std::move(h)) {}                 // NOLINT: answers convert
  ProbeAnswer(tl::unexpected<Error> e) : health(std::move(e)) {}  // NOLINT
  Status health;
  std::vector<MetricFamily> shown;
};

// One kind of question.
class Probe {
 public:
  virtual ~Probe() = default;
  virtual ProbeAnswer Try(Millis timeout) = 0;
};

struct ProbeConfig {
  static constexpr Millis kConfirmAfter{100};
  std::string name;
  std::string kind;  // http, tcp, tls, exec, postgres, redis
  Millis interval{15'000};
  Millis timeout{5'000};
  int failures = 2;
  std::function<std::unique_ptr<Probe>(HttpTransport&, const Clock&)> make;
};

// `exporter.health`: a list, one kind per probe. `connections` are looked up by name.
std::vector<ProbeConfig> ReadProbeConfigs(yaml::Mapping& exporter, const Connections& connections,
                                          Millis interval);

class ProbeCollector final : public Collector {
 public:
  ProbeCollector(ProbeConfig config, std::unique_ptr<Probe> probe, const Clock& clock, Log log);

  std::string_view Name() const override { return "probe"; }
  std::string_view Target() const override { return config_.name; }
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;
  Millis AgainIn() const override;

 private:
  const ProbeConfig config_;
  const std::unique_ptr<Probe> probe_;
  const Clock& clock_;
  const Log log_;
  std::atomic<int> failures_ = 0;
  bool up_ = true;  // only Collect's
};

}  // namespace fettle::exporter
