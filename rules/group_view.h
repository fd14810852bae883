// What a door sees of a group: a copy of how things stand. Values.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/matcher.h"
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

// One evaluation, as it went.
struct EvaluationView {
  Time at;
  double seconds = 0;
  std::size_t samples_read = 0;
  std::size_t returned = 0;
  std::string error;  // "" if it went well
};

struct SelectorView {
  std::string text;
  Matchers matchers;
  Millis window{0};  // how far back it looks, from `offset` ago
  Millis offset{0};
  bool found = false;  // a series, at any time
};

struct RuleView {
  RuleSpec spec;
  RuleStatus status;
  AlertState state = AlertState::kInactive;  // of an alerting rule
  std::vector<ActiveAlert> alerts;           // pending and firing
  std::vector<EvaluationView> evaluations;   // the last ones, newest first
  std::vector<SelectorView> selectors;
  bool dead = false;  // a metric it needs was never there
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
