#include "receivers/inhibitor.h"

#include <utility>

namespace fettle::receivers {
namespace {

std::optional<std::uint64_t> FirstFiring(const std::map<std::uint64_t, Time>& sources, Time now) {
  for (const auto& [fingerprint, ends_at] : sources) {
    if (ends_at > now) return fingerprint;
  }
  return std::nullopt;
}

}  // namespace

Inhibitor::Inhibitor(std::vector<InhibitRule> rules) {
  for (InhibitRule& rule : rules) rules_.push_back({std::move(rule), {}});
}

const std::string& Inhibitor::SlotOf(const InhibitRule& rule, const Labels& labels) const {
  slot_.clear();
  for (const std::string& name : rule.equal) {
    slot_ += labels.Get(name);
    slot_ += '\xff';  // in no valid value
  }
  return slot_;
}

void Inhibitor::Consider(const LiveAlert& alert, const Moment& now) {
  const Labels& labels = alert.alert.labels;
  for (Rule& rule : rules_) {
    if (!MatchAll(rule.config.source, labels)) continue;
    const std::string& name = SlotOf(rule.config, labels);
    if (!alert.alert.ResolvedAt(now.wall)) {
      Slot& slot = rule.slots[name];
      Sources& side = MatchAll(rule.config.target, labels) ? slot.two_sided : slot.one_sided;
      side[alert.fingerprint] = alert.alert.ends_at;
      continue;
    }
    const auto slot = rule.slots.find(name);
    if (slot == rule.slots.end()) continue;
    slot->second.one_sided.erase(alert.fingerprint);
    slot->second.two_sided.erase(alert.fingerprint);
    if (slot->second.one_sided.empty() && slot->second.two_sided.empty()) rule.slots.erase(slot);
  }
}

std::optional<std::uint64_t> Inhibitor::QuietBecauseOf(const Labels& target, Time now) const {
  for (const Rule& rule : rules_) {
    if (!MatchAll(rule.config.target, target)) continue;
    const auto slot = rule.slots.find(SlotOf(rule.config, target));
    if (slot == rule.slots.end()) continue;
    if (const auto source = FirstFiring(slot->second.one_sided, now)) return source;
    if (MatchAll(rule.config.source, target)) continue;
    if (const auto source = FirstFiring(slot->second.two_sided, now)) return source;
  }
  return std::nullopt;
}

}  // namespace fettle::receivers
