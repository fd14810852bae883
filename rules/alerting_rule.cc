#include "rules/alerting_rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/check.h"
#include "rules/promql/printer.h"

namespace fettle::rules {
namespace {

constexpr std::string_view kAlertName = "alertname";

std::vector<std::pair<std::string, AlertText>> ParseTexts(
    const std::string& alert, const std::map<std::string, std::string>& texts,
    const gotemplate::Functions& functions) {
  std::vector<std::pair<std::string, AlertText>> out;
  for (const auto& [name, text] : texts) {
    Result<AlertText> parsed = AlertText::Parse(alert, text, functions);
    FETTLE_CHECK(parsed.has_value());
    out.emplace_back(name, *std::move(parsed));
  }
  return out;
}

bool AnyTemplated(const std::vector<std::pair<std::string, AlertText>>& texts) {
  return std::any_of(texts.begin(), texts.end(),
                     [](const auto& text) { return text.second.templated(); });
}

// What a record of the alert must have right.
struct Marks {
  AlertState state;
  Time active_at;
  std::optional<Time> fired_at, resolved_at, keep_firing_since;
  bool operator==(const Marks&) const = default;
};
Marks MarksOf(const ActiveAlert& alert) {
  return {alert.state, alert.active_at, alert.fired_at, alert.resolved_at, alert.keep_firing_since};
}

}  // namespace

RuleWorld RuleWorld::Make(std::string external_url, Labels external_labels) {
  RuleWorld world;
  world.external_labels_data = gotemplate::Value::From(external_labels);
  world.functions = AlertFunctions(external_url);
  world.external_url = std::move(external_url);
  world.external_labels = std::move(external_labels);
  return world;
}

AlertingRule::AlertingRule(const RuleSpec& spec, const RuleWorld& world)
    : world_(world),
      name_(spec.name),
      expression_(promql::Print(*spec.tree)),
      hold_(spec.hold),
      keep_firing_for_(spec.keep_firing_for),
      labels_(ParseTexts(spec.name, spec.labels, world.functions)),
      annotations_(ParseTexts(spec.name, spec.annotations, world.functions)),
      knows_end_(std::any_of(annotations_.begin(), annotations_.end(),
                             [](const auto& text) { return text.second.knows_end(); })) {}

AlertingRule::Expansion AlertingRule::Expand(const promql::Vector& answer,
                                             const gotemplate::Functions& bound) const {
  Expansion out;
  out.candidates.reserve(answer.size());
  const bool needs_data = AnyTemplated(labels_) || AnyTemplated(annotations_);
  for (const promql::Element& element : answer) {
    gotemplate::Value data;
    if (needs_data) {
      data = AlertData(*element.labels, world_.external_labels_data, world_.external_url, element);
    }
    Candidate candidate;
    candidate.value = element.value;
    candidate.labels = LabelsOf(element, data, bound, out);
    for (const auto& [name, text] : annotations_) {
      candidate.annotations[name] = ExpandText(text, data, bound, out);
    }
    out.candidates.push_back(std::move(candidate));
  }
  return out;
}

std::string AlertingRule::ExpandText(const AlertText& text, const gotemplate::Value& data,
                                     const gotemplate::Functions& bound, Expansion& out) const {
  if (text.templated()) ++out.expanded;
  Result<std::string> expanded = text.Expand(data, bound);
  if (expanded) return *std::move(expanded);
  out.failures.push_back(expanded.error().message);
  return "<error expanding template: " + expanded.error().message + ">";
}

Labels AlertingRule::LabelsOf(const promql::Element& element, const gotemplate::Value& data,
                              const gotemplate::Functions& bound, Expansion& out) const {
  Labels labels = *element.labels;
  labels.Remove(kMetricName);
  for (const auto& [name, text] : labels_) labels.Set(name, ExpandText(text, data, bound, out));
  labels.Set(kAlertName, name_);
  return labels;
}

void AlertingRule::TellEnd(const promql::Vector& found, const gotemplate::Functions& bound,
                           Outcome& outcome) {
  Expansion ignored;
  std::map<std::uint64_t, const promql::Element*> there;
  for (const promql::Element& element : found) {
    const gotemplate::Value data =
        AlertData(*element.labels, world_.external_labels_data, world_.external_url, element);
    there.emplace(LabelsOf(element, data, bound, ignored).Fingerprint(), &element);
  }
  for (const std::uint64_t fingerprint : outcome.resolved) {
    ActiveAlert& alert = active_.at(fingerprint);
    promql::Element element{std::make_shared<const Labels>(alert.labels), alert.value, nullptr};
    if (const auto it = there.find(fingerprint); it != there.end()) {
      element = *it->second;
      alert.resolved_value = element.value;
    }
    const gotemplate::Value data =
        AlertData(*element.labels, world_.external_labels_data, world_.external_url, element, true);
    for (const auto& [name, text] : annotations_) {
      if (!text.knows_end()) continue;
      alert.annotations[name] = ExpandText(text, data, bound, ignored);
    }
    outcome.changes[fingerprint] = alert;
  }
}

AlertingRule::Outcome AlertingRule::Advance(std::vector<Candidate> candidates, const Turn& turn) {
  Outcome outcome;
  std::map<std::uint64_t, Candidate*> present;
  for (Candidate& candidate : candidates) {
    if (!present.emplace(candidate.labels.Fingerprint(), &candidate).second) {
      outcome.error =
          Error{"vector contains metrics with the same labelset after applying alert labels",
                Cause::kInvalid};
      return outcome;
    }
  }
  const std::set<std::uint64_t> fresh = TakeIn(present, turn.at);
  int count = 0;
  for (auto it = active_.begin(); it != active_.end();) {
    auto& [fingerprint, alert] = *it;
    const Marks before = MarksOf(alert);
    if (!Continue(alert, turn, present.contains(fingerprint))) {
      outcome.changes[fingerprint] = std::nullopt;
      it = active_.erase(it);
      continue;
    }
    if (alert.state != AlertState::kInactive) {
      ++count;
      if (turn.samples) AddSamples(alert, turn, outcome.samples);
    }
    if (fresh.contains(fingerprint) || !(MarksOf(alert) == before)) {
      outcome.changes[fingerprint] = alert;
    }
    if (alert.resolved_at && !before.resolved_at) outcome.resolved.push_back(fingerprint);
    ++it;
  }
  if (turn.limit > 0 && count > turn.limit) {
    for (const auto& [fingerprint, alert] : active_) {
      outcome.changes[fingerprint] = std::nullopt;
    }
    outcome.samples.clear();
    outcome.error =
        Error{fmt::format("exceeded limit of {} with {} alerts", turn.limit, count), Cause::kLimit};
    active_.clear();
  }
  return outcome;
}

// New candidates become pending alerts, which are named; known ones are brought up to date.
std::set<std::uint64_t> AlertingRule::TakeIn(std::map<std::uint64_t, Candidate*>& present,
                                             Time at) {
  std::set<std::uint64_t> fresh;
  for (auto& [fingerprint, candidate] : present) {
    ActiveAlert& alert = active_[fingerprint];
    const bool known = !alert.labels.empty() && alert.state != AlertState::kInactive;
    if (!known) {
      alert = ActiveAlert{};
      alert.labels = std::move(candidate->labels);
      alert.active_at = at;
      fresh.insert(fingerprint);
    }
    alert.annotations = std::move(candidate->annotations);
    alert.value = candidate->value;
    alert.restored = false;
  }
  return fresh;
}

// Moves one alert; false if it is to be forgotten.
bool AlertingRule::Continue(ActiveAlert& alert, const Turn& turn, bool present) const {
  if (present) {
    alert.keep_firing_since.reset();
    MoveHold(alert, turn);
    return true;
  }
  if (alert.restored && turn.hold_restored && alert.state != AlertState::kInactive) return true;
  if (alert.state == AlertState::kPending) return false;
  if (alert.resolved_at) return turn.at - *alert.resolved_at <= kResolvedRetention;
  if (keep_firing_for_ > Millis(0)) {
    if (!alert.keep_firing_since) alert.keep_firing_since = turn.at;
    if (turn.at - *alert.keep_firing_since < keep_firing_for_) {
      MoveHold(alert, turn);
      return true;
    }
  }
  alert.state = AlertState::kInactive;
  alert.resolved_at = turn.at;
  alert.restored = false;
  return true;
}

void AlertingRule::MoveHold(ActiveAlert& alert, const Turn& turn) const {
  const bool held = turn.at - alert.active_at >= hold_;
  if (alert.state == AlertState::kPending && held) {
    alert.state = AlertState::kFiring;
    alert.fired_at = turn.at;
  } else if (alert.state == AlertState::kFiring && !held) {
    // The rule was loaded again with a longer `for`.
    alert.state = AlertState::kPending;
    alert.fired_at.reset();
    alert.last_sent_at.reset();
  }
}

void AlertingRule::AddSamples(const ActiveAlert& alert, const Turn& turn,
                              std::vector<Sample>& samples) const {
  const Time at = turn.at - turn.query_offset;
  // Prometheus leaves a label's template as it is where it expands to nothing; here, as its own
  // compliance suite asks, the series has the alert's labels and no others.
  Labels labels = alert.labels;
  labels.Set(kMetricName, "ALERTS_FOR_STATE");
  const auto since = std::chrono::floor<std::chrono::seconds>(alert.active_at);
  samples.push_back({labels, static_cast<double>(since.time_since_epoch().count()), at});
  labels.Set(kMetricName, "ALERTS");
  labels.Set("alertstate", ToString(alert.state));
  samples.push_back({std::move(labels), 1, at});
}

AlertingRule::Sending AlertingRule::TakeUnsent(Time at, Millis interval, Millis resend_delay) {
  Sending sending;
  for (auto& [fingerprint, alert] : active_) {
    if (alert.state == AlertState::kPending) continue;
    const bool news = !alert.last_sent_at ||
                      (alert.resolved_at && *alert.resolved_at > *alert.last_sent_at) ||
                      *alert.last_sent_at + resend_delay < at;
    if (!news) continue;
    alert.last_sent_at = at;
    alert.valid_until = at + 4 * std::max(interval, resend_delay);
    sending.alerts.push_back(Told(alert));
    sending.fingerprints.push_back(fingerprint);
  }
  return sending;
}

Alert AlertingRule::Told(const ActiveAlert& alert) const {
  Alert told;
  told.labels = alert.labels;
  for (const auto& [name, value] : world_.external_labels) {
    if (!told.labels.Has(name)) told.labels.Set(name, value);
  }
  told.annotations = Labels({alert.annotations.begin(), alert.annotations.end()});
  told.starts_at = alert.fired_at.value_or(alert.active_at);
  told.ends_at = alert.resolved_at.value_or(alert.valid_until);
  told.generator_url = world_.external_url + TableLink(expression_);
  return told;
}

void AlertingRule::Unsend(const std::vector<std::uint64_t>& fingerprints) {
  for (const std::uint64_t fingerprint : fingerprints) {
    if (const auto it = active_.find(fingerprint); it != active_.end()) {
      it->second.last_sent_at.reset();
    }
  }
}

void AlertingRule::Restore(ActiveAlert alert) {
  const std::uint64_t fingerprint = alert.labels.Fingerprint();
  active_.insert_or_assign(fingerprint, std::move(alert));
}

AlertState AlertingRule::state() const {
  AlertState highest = AlertState::kInactive;
  for (const auto& [fingerprint, alert] : active_) highest = std::max(highest, alert.state);
  return highest;
}

}  // namespace fettle::rules
