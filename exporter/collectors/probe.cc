#include "exporter/collectors/probe.h"

#include <utility>

namespace fettle::exporter {

ProbeCollector::ProbeCollector(ProbeConfig config, std::unique_ptr<Probe> probe, const Clock& clock,
                               Log log)
    : config_(std::move(config)), probe_(std::move(probe)), clock_(clock), log_(std::move(log)) {}

Result<std::vector<MetricFamily>> ProbeCollector::Collect(const CollectContext& context) {
  ProbeAnswer answer = probe_->Try(config_.timeout);
  const Moment ended = clock_.Now();
  failures_ = answer.health ? 0 : failures_ + 1;
  const bool up = answer.health || (up_ && failures_ < config_.failures);
  if (up != up_) {
    if (up) {
      log_.Info("probe is up again", {{"name", config_.name}});
    } else {
      log_.Warn("probe is down", {{"name", config_.name},
                                  {"failures", failures_.load()},
                                  {"err", answer.health.error().message}});
    }
  }
  up_ = up;

  const Labels labels{{"name", config_.name}, {"kind", config_.kind}};
  const auto gauge = [&](const char* name, const char* help, double value) {
    return MetricFamily{name, help, MetricType::kGauge, {{"", labels, value}}};
  };
  std::vector<MetricFamily> families = {
      gauge("fettle_probe_up", "1 while the probed thing answers as it should.", up ? 1 : 0),
      gauge("fettle_probe_duration_seconds", "How long the last try took.",
            ToSeconds(ended.boot - context.now.boot)),
      gauge("fettle_probe_consecutive_failures", "Tries that have failed in a row.", failures_)};
  families.insert(families.end(), answer.shown.begin(), answer.shown.end());
  return families;
}

Millis ProbeCollector::AgainIn() const {
  const bool unconfirmed = failures_ > 0 && failures_ < config_.failures;
  return unconfirmed && config_.interval > ProbeConfig::kConfirmAfter ? ProbeConfig::kConfirmAfter
                                                                      : Millis(0);
}

}  // namespace fettle::exporter
