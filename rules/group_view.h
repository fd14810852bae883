// What a door sees of a group: a copy of how things stand. Values.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "rules/active_alert.h"
#include "rules/rule_file.h"

namespace fettle::rules {

enum class RuleHealth { kUnknown, kOk, kErr };
inline std::string_view ToString(RuleHealth health) {
  return health == RuleHealth::kOk ? "ok" : health == RuleHealth::kErr ? "err" : "unknown";
}

// How the last evaluation of a rule went.
struct RuleStatus {
  RuleHealth health = RuleHealth::kUnknown;
  std::string last_error;  // "" unless kErr
  std::optional<Time> last_evaluation;
  double evaluation_seconds = 0;
  std::size_t samples_read = 0;  // 0: its selectors found nothing
  std::size_t returned = 0;      // elements of the answer
};

struct RuleView {
  RuleSpec spec;
  RuleStatus status;
  AlertState state = AlertState::kInactive;  // of an alerting rule
  std::vector<ActiveAlert> alerts;           // pending and firing
};

struct GroupView {
  std::string file;
  std::string name;
  Millis interval{0};
  int limit = 0;
  std::optional<Time> last_evaluation;
  double evaluation_seconds = 0;
  std::vector<RuleView> rules;
};

}  // namespace fettle::rules
