// Inactive, pending, firing, resolved: the state machine of one alerting rule and nothing else.
// Semantics: Prometheus 3.x, rules/alerting.go; what survives a restart is more (see Restore).
//
// Not safe by itself: Expand() is const and may run beside anything, all else belongs to whoever
// evaluates the rule's group.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/alert.h"
#include "common/clock.h"
#include "common/gotemplate.h"
#include "common/result.h"
#include "common/sample.h"
#include "rules/active_alert.h"
#include "rules/rule_file.h"
#include "rules/template_functions.h"

namespace fettle::rules {

// What all rules know of the world they judge. A value, shared by the groups of one configuration.
struct RuleWorld {
  std::string external_url;
  Labels external_labels;
  gotemplate::Value external_labels_data;  // the same, for templates
  gotemplate::Functions functions;         // AlertFunctions(external_url)

  static RuleWorld Make(std::string external_url, Labels external_labels);
};

class AlertingRule {
 public:
  // A resolved alert is kept, and told again, for this long.
  static constexpr Millis kResolvedRetention = std::chrono::minutes(15);
  // A remembered alert is not taken for resolved while its selectors find nothing, for this long
  // after the start; nor before the second evaluation.
  static constexpr Millis kOutageTolerance = std::chrono::hours(1);

  // The specification must have been read without complaints: its templates parse.
  AlertingRule(const RuleSpec& spec, const RuleWorld& world);

  // One element of the answer, with labels and annotations expanded.
  struct Candidate {
    Labels labels;
    std::map<std::string, std::string> annotations;
    double value = 0;
  };
  struct Expansion {
    std::vector<Candidate> candidates;
    std::size_t expanded = 0;           // templates
    std::vector<std::string> failures;  // whose text now says so
  };
  Expansion Expand(const promql::Vector& answer, const gotemplate::Functions& bound) const;

  struct Turn {
    Time at;  // of the evaluation
    Millis query_offset{0};
    int limit = 0;
    bool samples = true;         // whether to give ALERTS and ALERTS_FOR_STATE
    bool hold_restored = false;  // too early to say that a remembered alert is over
  };
  struct Outcome {
    std::vector<Sample> samples;
    // What has to be remembered anew, or (nullopt) forgotten.
    std::map<std::uint64_t, std::optional<ActiveAlert>> changes;
    std::vector<std::uint64_t> resolved;  // at this turn
    std::optional<Error> error;  // two elements alike; the limit, which forgets every alert
  };
  Outcome Advance(std::vector<Candidate> candidates, const Turn& turn);

  // Some annotation is another text once the alert is over ($resolved).
  bool knows_end() const { return knows_end_; }
  // Expands those annotations of the alerts that `outcome` has resolved. `found` is what is now
  // where the condition was true: $value is its value, or the last one known.
  void TellEnd(const promql::Vector& found, const gotemplate::Functions& bound, Outcome& outcome);

  // The alerts that must be told now, marked as sent: newly resolved ones, and those not told for
  // longer than `resend_delay`. Their end is 4 × max(interval, resend_delay) from now.
  struct Sending {
    std::vector<Alert> alerts;
    std::vector<std::uint64_t> fingerprints;  // of the same alerts here, without external labels
  };
  Sending TakeUnsent(Time at, Millis interval, Millis resend_delay);
  // They could not be delivered: told again at the next evaluation.
  void Unsend(const std::vector<std::uint64_t>& fingerprints);

  // Takes over what another version of this rule, or the time before a restart, knows.
  void Restore(ActiveAlert alert);
  const std::map<std::uint64_t, ActiveAlert>& active() const { return active_; }
  AlertState state() const;  // the highest of its alerts'

 private:
  std::string ExpandText(const AlertText& text, const gotemplate::Value& data,
                         const gotemplate::Functions& bound, Expansion& out) const;
  Labels LabelsOf(const promql::Element& element, const gotemplate::Value& data,
                  const gotemplate::Functions& bound, Expansion& out) const;
  std::set<std::uint64_t> TakeIn(std::map<std::uint64_t, Candidate*>& present, Time at);
  bool Continue(ActiveAlert& alert, const Turn& turn, bool present) const;
  Alert Told(const ActiveAlert& alert) const;
  void MoveHold(ActiveAlert& alert, const Turn& turn) const;
  void AddSamples(const ActiveAlert& alert, const Turn& turn, std::vector<Sample>& samples) const;

  const RuleWorld& world_;
  const std::string name_;
  const std::string expression_;  // as Prometheus prints it
  const Millis hold_;
  const Millis keep_firing_for_;
  std::vector<std::pair<std::string, AlertText>> labels_;
  std::vector<std::pair<std::string, AlertText>> annotations_;
  const bool knows_end_;
  std::map<std::uint64_t, ActiveAlert> active_;  // by the fingerprint of their labels
};

}  // namespace fettle::rules
