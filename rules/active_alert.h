// One alert of a rule, from pending over firing to resolved. A value; the rule's state machine
// moves it, the store remembers it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/json.h"
#include "common/labels.h"
#include "common/result.h"

namespace fettle::rules {

enum class AlertState { kInactive, kPending, kFiring };
std::string_view ToString(AlertState state);  // "inactive", "pending", "firing"

struct ActiveAlert {
  AlertState state = AlertState::kPending;
  Labels labels;  // the identity; includes alertname
  // Unlike a label, an annotation may be empty.
  std::map<std::string, std::string> annotations;
  double value = 0;  // of the expression, at the last evaluation that had it
  Time active_at;    // the condition is true since then
  std::optional<Time> fired_at;
  std::optional<Time> resolved_at;
  std::optional<Time> keep_firing_since;  // the condition is gone since then
  std::optional<Time> last_sent_at;
  Time valid_until;  // told to the receivers as the end, if nothing more is heard
  // What was found in its place when it was over, where that is to be had.
  std::optional<double> resolved_value;
  // Remembered from before a restart, and not yet seen again.
  bool restored = false;

  bool resolved() const { return resolved_at.has_value(); }
};

// The part that survives a restart: everything but what was sent, and when.
std::string ToJson(const ActiveAlert& alert);
// `restored` is set.
Result<ActiveAlert> ActiveAlertFromJson(const Json& json);

}  // namespace fettle::rules
