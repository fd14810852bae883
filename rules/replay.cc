#include "rules/replay.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <utility>

#include "rules/alerting_rule.h"
#include "rules/recording_rule.h"
#include "rules/slots.h"

namespace fettle::rules {
namespace {

// Nothing hurries a replay.
constexpr BootTime kNoDeadline = BootTime::max();

struct ReplayedRule {
  std::optional<AlertingRule> alerting;
  std::optional<RecordingRule> recording;
  std::map<std::uint64_t, Labels> series;  // of the last evaluation
  std::string error;
};

class ReplayedGroup {
 public:
  ReplayedGroup(const GroupSpec& spec, const RuleWorld& world, const ReplayOptions& options)
      : spec_(spec),
        world_(world),
        options_(options),
        interval_(spec.interval > Millis(0) ? spec.interval : options.evaluation_interval),
        slots_(spec.file, spec.name, interval_),
        rules_(spec.rules.size()) {
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      const RuleSpec& rule = spec_.rules[i];
      if (rule.kind == RuleSpec::Kind::kAlerting) {
        rules_[i].alerting.emplace(rule, world_);
      } else {
        rules_[i].recording.emplace(rule);
      }
    }
  }

  Slots::Nanos FirstSlot() const {
    const Slots::Nanos from = Slots::ToNanos(options_.from);
    const Slots::Nanos before = slots_.AtOrBefore(from);
    return before == from ? before : before + slots_.interval();
  }
  Slots::Nanos interval() const { return slots_.interval(); }
  std::size_t size() const { return rules_.size(); }

  void Evaluate(const RuleQuery& query, SampleSink& samples, Time at, ReplayTotals& totals,
                const std::function<void(const ReplayEvent&)>& on_event) {
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      ++totals.evaluations;
      Result<std::vector<Sample>> made = EvaluateRule(i, query, at, on_event);
      if (made) {
        rules_[i].error.clear();
        Write(rules_[i], *std::move(made), at - offset(), samples);
        continue;
      }
      ++totals.failures;
      if (std::exchange(rules_[i].error, made.error().message) == made.error().message) continue;
      ReplayEvent event = EventOf(spec_.rules[i], ReplayEvent::What::kFailed, at);
      event.error = made.error().message;
      on_event(event);
    }
  }

 private:
  Millis offset() const { return spec_.query_offset.value_or(Millis(0)); }

  ReplayEvent EventOf(const RuleSpec& rule, ReplayEvent::What what, Time at) const {
    return {.at = at, .what = what, .group = spec_.name, .rule = rule.name};
  }

  Result<std::vector<Sample>> EvaluateRule(
      std::size_t index, const RuleQuery& query, Time at,
      const std::function<void(const ReplayEvent&)>& on_event) {
    ReplayedRule& rule = rules_[index];
    const RuleSpec& spec = spec_.rules[index];
    const auto answer = query.Ask(*spec.tree, spec.expr, at - offset(), kNoDeadline);
    if (!answer) return tl::unexpected(answer.error());
    if (rule.recording) return rule.recording->Record(answer->vector, at - offset(), spec_.limit);
    const auto ask = [&](const std::string& text) -> Result<promql::Vector> {
      const auto tree = promql::Parse(text, options_.parser);
      if (!tree) return tl::unexpected(tree.error());
      auto found = query.Ask(**tree, text, at, kNoDeadline);
      if (!found) return tl::unexpected(found.error());
      return std::move(found->vector);
    };
    AlertingRule::Expansion expansion =
        rule.alerting->Expand(answer->vector, BindFunctions(at, ask));
    const std::map<std::uint64_t, ActiveAlert> before = rule.alerting->active();
    AlertingRule::Outcome outcome =
        rule.alerting->Advance(std::move(expansion.candidates),
                               {.at = at, .query_offset = offset(), .limit = spec_.limit});
    if (outcome.error) return tl::unexpected(*outcome.error);
    for (const auto& [fingerprint, change] : outcome.changes) {
      const auto known = before.find(fingerprint);
      const ActiveAlert* was = known == before.end() ? nullptr : &known->second;
      SayChange(spec, was, change, at, on_event);
    }
    return std::move(outcome.samples);
  }

  void SayChange(const RuleSpec& spec, const ActiveAlert* was, const std::optional<ActiveAlert>& is,
                 Time at, const std::function<void(const ReplayEvent&)>& on_event) const {
    using What = ReplayEvent::What;
    const AlertState before = was == nullptr ? AlertState::kInactive : was->state;
    const AlertState after = is ? is->state : AlertState::kInactive;
    if (before == after) return;
    const ActiveAlert& alert = is ? *is : *was;
    What what = before == AlertState::kFiring ? What::kResolved : What::kGone;
    if (after == AlertState::kPending) what = What::kPending;
    if (after == AlertState::kFiring) what = What::kFiring;
    ReplayEvent event = EventOf(spec, what, at);
    event.labels = alert.labels;
    for (const auto& [name, value] : options_.external_labels) {
      if (!event.labels.Has(name)) event.labels.Set(name, value);
    }
    event.annotations = alert.annotations;
    on_event(event);
  }

  // What is stored already is refused, as it should be: it is what was said then.
  static void Write(ReplayedRule& rule, std::vector<Sample> made, Time at, SampleSink& samples) {
    std::map<std::uint64_t, Labels> returned;
    for (const Sample& sample : made) returned.emplace(sample.labels.Fingerprint(), sample.labels);
    for (const auto& [hash, labels] : rule.series) {
      if (!returned.contains(hash)) made.push_back({labels, StaleNaN(), at});
    }
    rule.series = std::move(returned);
    if (!made.empty()) (void)samples.Append({std::move(made), Origin::kRule});
  }

  const GroupSpec& spec_;
  const RuleWorld& world_;
  const ReplayOptions& options_;
  const Millis interval_;
  const Slots slots_;
  std::vector<ReplayedRule> rules_;
};

}  // namespace

std::string_view ToString(ReplayEvent::What what) {
  switch (what) {
    case ReplayEvent::What::kPending:
      return "pending";
    case ReplayEvent::What::kFiring:
      return "firing";
    case ReplayEvent::What::kResolved:
      return "resolved";
    case ReplayEvent::What::kGone:
      return "gone";
    case ReplayEvent::What::kFailed:
      break;
  }
  return "failed";
}

Result<ReplayTotals> Replay(const RuleQuery& query, SampleSink& samples,
                            const std::vector<GroupSpec>& groups, const ReplayOptions& options,
                            const std::function<void(const ReplayEvent&)>& on_event) {
  const RuleWorld world = RuleWorld::Make(options.external_url, options.external_labels);
  std::vector<std::unique_ptr<ReplayedGroup>> replayed;
  // The next slot of each group; at one moment they go in the configuration's order.
  using Next = std::pair<Slots::Nanos, std::size_t>;
  std::priority_queue<Next, std::vector<Next>, std::greater<>> next;
  double evaluations = 0;
  for (const GroupSpec& spec : groups) {
    replayed.push_back(std::make_unique<ReplayedGroup>(spec, world, options));
    next.emplace(replayed.back()->FirstSlot(), replayed.size() - 1);
    evaluations += static_cast<double>(spec.rules.size()) * ToSeconds(options.to - options.from) *
                   1e9 / static_cast<double>(replayed.back()->interval());
  }
  if (evaluations > static_cast<double>(kReplayEvaluationsMax)) {
    return Fail(Cause::kLimit, "that would be {:.0f} evaluations of rules, more than {}",
                evaluations, kReplayEvaluationsMax);
  }
  ReplayTotals totals;
  const Slots::Nanos end = Slots::ToNanos(options.to);
  while (!next.empty() && next.top().first <= end) {
    const auto [slot, index] = next.top();
    next.pop();
    ReplayedGroup& group = *replayed[index];
    group.Evaluate(query, samples, Slots::ToTime(slot), totals, on_event);
    next.emplace(slot + group.interval(), index);
  }
  return totals;
}

}  // namespace fettle::rules
