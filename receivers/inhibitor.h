// Which alerts stay quiet because another one fires: the inhibit_rules of alertmanager.yml.
//
// A target is quiet while a firing source has the same values of all `equal` labels (a missing one
// is ""), except that an alert which is on both sides of a rule is not quiet because of another
// such alert, nor of itself. Sources come from all live alerts, whatever is told of them. Per rule
// an index from the values of `equal` to the set of firing sources makes each question one look-up.
// Source: Alertmanager's inhibit package, as it is documented. Belongs to the brain.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "common/labels.h"
#include "common/matcher.h"
#include "receivers/consumer.h"

namespace fettle::receivers {

struct InhibitRule {
  std::string name;
  Matchers source;
  Matchers target;
  std::vector<std::string> equal;
};

class Inhibitor final : public AlertConsumer {
 public:
  explicit Inhibitor(std::vector<InhibitRule> rules);

  void Consider(const LiveAlert& alert, const Moment& now) override;
  // The fingerprint of a firing alert that keeps this one quiet, or nullopt.
  std::optional<std::uint64_t> QuietBecauseOf(const Labels& target, Time now) const;
  std::size_t rules() const { return rules_.size(); }

 private:
  // By fingerprint: when the source ends.
  using Sources = std::map<std::uint64_t, Time>;
  struct Slot {
    Sources one_sided;
    Sources two_sided;  // match the target side as well
  };
  struct Rule {
    InhibitRule config;
    std::unordered_map<std::string, Slot> slots;  // by the values of `equal`
  };
  // Until the next call.
  const std::string& SlotOf(const InhibitRule& rule, const Labels& labels) const;

  std::vector<Rule> rules_;
  mutable std::string slot_;  // one text for all questions, which are many
};

}  // namespace fettle::receivers
