// Who learns of alerts inside the receivers: the dispatcher (tells) and the mender (mends), side by
// side, per alert and before any grouping.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/alert.h"
#include "common/clock.h"
#include "common/labels.h"

namespace fettle::receivers {

// One alert as it is believed to be now. A value. `alert.ends_at` is always set: when it ended, or
// when it will count as ended unless its sender repeats it; ask `alert.ResolvedAt(now)`.
struct LiveAlert {
  Alert alert;
  std::uint64_t fingerprint = 0;
  AlertSource source = AlertSource::kRules;
  Time updated_at;
  // The end is only a time-out of ours, not the sender's word.
  bool times_out = false;
  // Its end came without another word of its sender, and that is stored.
  bool lapsed = false;

  // It fired when it was last heard of, so its end is one only if nobody repeats it until then.
  bool leased() const { return !lapsed && alert.ends_at > updated_at; }
};

// Called on the brain, after the alert is stored, at every change: new, re-posted, resolved, timed
// out; and once for each alert when subscribing. A re-post of an unchanged alert is a change too;
// keys are (fingerprint, starts_at).
class AlertConsumer {
 public:
  virtual ~AlertConsumer() = default;
  virtual void Consider(const LiveAlert& alert, const Moment& now) = 0;
  // A resolved alert is forgotten after a while unless somebody still needs it, such as a group
  // that could not tell of its end yet.
  virtual bool Needs(std::uint64_t /*fingerprint*/) const { return false; }
};

// The three reasons to stay quiet: silenced, inhibited, out of hours. They hold notifications and
// repairs alike. Asked on the brain.
class Quiet {
 public:
  virtual ~Quiet() = default;
  // "silenced by <id>", "inhibited by <fingerprint>", or nullopt.
  virtual std::optional<std::string> Why(const Labels& labels, const Moment& now) = 0;
  // True if `now` lies in the named mute_time_interval of alertmanager.yml.
  virtual bool InTimeInterval(const std::string& name, const Moment& now) = 0;
};

}  // namespace fettle::receivers
