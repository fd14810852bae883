// Whether an attempt helped.
//
// LookAt() asks the engine and the rules, on a hand; Weigh() is a pure function of what it brought,
// on the brain. Helped means all of: the container is a new run, running, and healthy if it has a
// health check; the expression, if there is one, returns something; without an expression, the
// alerts of own rules and of the API have ended (an Alertmanager's webhook says so minutes later,
// so its alerts are not waited for).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/engine.h"
#include "common/judge.h"
#include "receivers/incidents.h"
#include "receivers/repairs_config.h"
#include "receivers/targets.h"

namespace fettle::receivers {

struct VerifySeen {
  std::vector<Container> containers;      // all of the target
  std::vector<Container> dependants;      // of what needs it, if they are acted on, too
  std::optional<std::string> look_error;  // the engine could not be asked
  std::optional<bool> expr;               // of the expression, if it was asked and answered
  std::string expr_error;
};

struct Verdict {
  enum class Answer { kYes, kNo, kUnknown };
  Answer answer = Answer::kNo;
  std::string sentence;
  // How long after the attempt's end it is worth waiting, if longer than `within`.
  Millis patience{0};
};

inline constexpr Millis kAskTimeout{5'000};
// A start period may be long, and an engine that says "starting" will decide by itself.
inline constexpr Millis kStartingMax{15 * 60'000};
// Rules are evaluated once a minute or so, and alerts end a scrape and an evaluation later.
inline constexpr Millis kAlertEndsMax{5 * 60'000};

// Blocks. `judge` may be null if no expression is configured.
VerifySeen LookAt(const Targets& targets, const Judge* judge, const Subject& subject,
                  const VerifySpec& spec, Time now);

// `attempt` is the one that is verified. Unless it is `last_of_pass`, more instances wait for their
// turn, and only the container itself is asked about.
Verdict Weigh(const VerifySeen& seen, const VerifySpec& spec, const Incident& incident,
              const Attempt& attempt, bool last_of_pass);

// Whether a repair that helped is still good: all of `watched` are well, the expression holds, and
// without one, if `asks_alerts`, no alert of own rules or of the API goes on for long.
Verdict WeighHeld(const VerifySeen& seen, const VerifySpec& spec, const Incident& incident,
                  const std::vector<Container>& watched, bool asks_alerts);

}  // namespace fettle::receivers
