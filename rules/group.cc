#include "rules/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "rules/promql/parser.h"
#include "rules/promql/printer.h"

namespace fettle::rules {
namespace {

// FNV-1a 64, as the fingerprints of labels.
std::uint64_t HashOf(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

// Kind, name and labels: what makes a rule the same rule after it was edited.
std::string IdentityOf(const RuleSpec& rule) {
  std::string out = rule.kind == RuleSpec::Kind::kAlerting ? "alert " : "record ";
  out += rule.name;
  for (const auto& [name, value] : rule.labels) out += fmt::format(" {}={}", name, Quote(value));
  return out;
}

}  // namespace

// One run over the group.
struct Group::Pass {
  Time at;
  bool slot = true;
  double rules_seconds = 0;
  std::size_t samples = 0;
};

Group::Group(Deps deps, Options options, GroupSpec spec)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      spec_(std::move(spec)),
      interval_(spec_.interval > Millis(0) ? spec_.interval : options_.default_interval),
      metrics_(deps_.metrics, spec_.Key()) {
  rules_.reserve(spec_.rules.size());
  for (const RuleSpec& rule : spec_.rules) rules_.emplace_back(rule.tree);
  std::map<std::string, int> seen;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const RuleSpec& rule = spec_.rules[i];
    rules_[i].identity = IdentityOf(rule);
    rules_[i].selects = !promql::Selectors(*rule.tree).empty();
    // The first of several alike keeps the plain name, so that adding one changes no other.
    if (const int before = seen[rules_[i].identity]++; before > 0) {
      rules_[i].identity += fmt::format(" #{}", before + 1);
    }
    if (rule.kind == RuleSpec::Kind::kAlerting) {
      rules_[i].alerting.emplace(rule, *options_.world);
    } else {
      rules_[i].recording.emplace(rule);
    }
  }
  metrics_.SetShape(interval_, rules_.size());
}

void Group::Evaluate(Time slot) {
  const Moment began = deps_.clock.Now();
  Pass pass{.at = slot};
  for (std::size_t i = 0; i < rules_.size() && !stopped_; ++i) EvaluateRule(i, pass);
  CleanStaleSeries(slot);
  ShowDead(slot);
  const Moment ended = deps_.clock.Now();
  const double seconds = ToSeconds(ended.boot - began.boot);
  metrics_.group_seconds.Observe(seconds);
  metrics_.SetLast(began.wall, seconds, pass.rules_seconds, pass.samples);
  const std::lock_guard lock(mutex_);
  ++evaluations_;
  last_evaluation_ = began.wall;
  evaluation_seconds_ = seconds;
}

void Group::React(Time at, const std::vector<std::size_t>& rules, BootTime noted) {
  Pass pass{.at = at, .slot = false};
  for (const std::size_t index : rules) {
    if (!stopped_ && rules_[index].alerting) EvaluateRule(index, pass);
  }
  metrics_.reactive.Increment();
  metrics_.reactive_delay.Observe(ToSeconds(deps_.clock.Now().boot - noted));
}

void Group::EvaluateRule(std::size_t index, Pass& pass) {
  Rule& rule = rules_[index];
  const RuleSpec& spec = spec_.rules[index];
  const Moment began = deps_.clock.Now();
  const BootTime deadline = began.boot + options_.query_timeout;
  metrics_.evaluations.Increment();
  {
    const std::lock_guard lock(mutex_);
    if (!first_evaluation_) first_evaluation_ = pass.at;
    rule.status.last_evaluation = began.wall;
  }
  const Result<RuleAnswer> answer =
      deps_.query.Ask(*spec.tree, spec.expr, pass.at - query_offset(), deadline);
  Result<std::vector<Sample>> samples;
  if (!answer) {
    samples = tl::unexpected(answer.error());
  } else if (rule.alerting) {
    samples = AdvanceAlerts(index, *answer, pass, deadline);
  } else {
    samples = rule.recording->Record(answer->vector, pass.at - query_offset(), spec_.limit);
  }
  if (samples) {
    {
      const std::lock_guard lock(mutex_);
      rule.status.health = RuleHealth::kOk;
      rule.status.last_error.clear();
      rule.status.samples_read = answer->samples;
      rule.status.returned = answer->vector.size();
    }
    pass.samples += samples->size();
    if (pass.slot) WriteSamples(rule, *std::move(samples), pass);
  } else {
    MarkFailed(rule, samples.error());
  }
  NoteEvaluation(rule, pass, began, answer ? &*answer : nullptr);
}

void Group::NoteEvaluation(Rule& rule, Pass& pass, const Moment& began, const RuleAnswer* answer) {
  const double seconds = ToSeconds(deps_.clock.Now().boot - began.boot);
  pass.rules_seconds += seconds;
  metrics_.evaluation_seconds.Observe(seconds);
  std::vector<std::size_t> found;
  if (answer != nullptr) found = rule.watch.FindNew(deps_.query, *answer, pass.at - query_offset());
  const std::lock_guard lock(mutex_);
  rule.status.evaluation_seconds = seconds;
  rule.watch.MarkFound(found);
  rule.watch.Note({.at = pass.at,
                   .seconds = seconds,
                   .samples_read = answer == nullptr ? 0 : answer->samples,
                   .returned = answer == nullptr ? 0 : answer->vector.size(),
                   .error = rule.status.last_error});
}

void Group::ShowDead(Time at) {
  std::map<std::string, int> dead;
  {
    const std::lock_guard lock(mutex_);
    if (!first_evaluation_ || at - *first_evaluation_ < kDeadAfter) return;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      if (rules_[i].watch.dead()) ++dead[spec_.rules[i].name];
    }
    if (dead == dead_) return;
    for (const auto& [name, count] : dead_) {
      if (!dead.contains(name)) metrics_.SetDead(name, 0);
    }
    for (const auto& [name, count] : dead) {
      if (!dead_.contains(name)) {
        deps_.log.Warn("a rule can never say anything: a series it asks for was never there",
                       {{"group", spec_.name}, {"file", spec_.file}, {"rule", name}});
      }
      metrics_.SetDead(name, count);
    }
    dead_ = std::move(dead);
  }
}

Result<std::vector<Sample>> Group::AdvanceAlerts(std::size_t index, const RuleAnswer& answer,
                                                 const Pass& pass, BootTime deadline) {
  Rule& rule = rules_[index];
  const auto ask = [&](const std::string& text) -> Result<promql::Vector> {
    const Result<promql::ExprPtr> tree = promql::Parse(text, options_.parser);
    if (!tree) return tl::unexpected(tree.error());
    Result<RuleAnswer> found = deps_.query.Ask(**tree, text, pass.at, deadline);
    if (!found) return tl::unexpected(found.error());
    return std::move(found->vector);
  };
  const gotemplate::Functions bound = BindFunctions(pass.at, ask);
  AlertingRule::Expansion expansion = rule.alerting->Expand(answer.vector, bound);
  metrics_.expansions.Increment(static_cast<double>(expansion.expanded));
  metrics_.expansion_failures.Increment(static_cast<double>(expansion.failures.size()));
  if (!expansion.failures.empty()) {
    deps_.log.Warn("expanding an alert's template failed",
                   {{"alert", spec_.rules[index].name}, {"err", expansion.failures.front()}});
  }
  AlertingRule::Outcome outcome;
  AlertingRule::Sending sending;
  {
    const std::lock_guard lock(mutex_);
    AlertingRule::Turn turn{.at = pass.at, .query_offset = query_offset(), .limit = spec_.limit};
    turn.samples = pass.slot;
    const bool blind = rule.selects && answer.samples == 0 &&
                       pass.at - *first_evaluation_ < AlertingRule::kOutageTolerance;
    turn.hold_restored = evaluations_ < 1 || blind;
    outcome = rule.alerting->Advance(std::move(expansion.candidates), turn);
  }
  const bool tell_end = rule.alerting->knows_end() && !outcome.resolved.empty() && !outcome.error;
  const promql::Vector found = tell_end ? AskValue(index, pass, deadline) : promql::Vector{};
  if (!outcome.error) {
    const std::lock_guard lock(mutex_);
    if (tell_end) rule.alerting->TellEnd(found, bound, outcome);
    sending = rule.alerting->TakeUnsent(pass.at, interval_, options_.resend_delay);
  }
  // First remembered, then told: the store's one writer keeps that order, so nobody need wait.
  Save(index, std::move(outcome.changes));
  if (outcome.error) return tl::unexpected(*outcome.error);
  Tell(index, std::move(sending));
  return std::move(outcome.samples);
}

promql::Vector Group::AskValue(std::size_t index, const Pass& pass, BootTime deadline) const {
  const promql::Expr* const side = ValueSide(*spec_.rules[index].tree);
  if (side == nullptr) return {};
  Result<RuleAnswer> found =
      deps_.query.Ask(*side, promql::Print(*side), pass.at - query_offset(), deadline);
  return found ? std::move(found->vector) : promql::Vector{};
}

void Group::MarkFailed(Rule& rule, const Error& error) {
  metrics_.failures.Increment();
  const std::lock_guard lock(mutex_);
  // Said once, not at every evaluation.
  if (rule.status.last_error != error.message) {
    deps_.log.Warn("evaluating a rule failed", {{"group", spec_.name},
                                                {"file", spec_.file},
                                                {"rule", rule.identity},
                                                {"err", error.message}});
  }
  rule.status.health = RuleHealth::kErr;
  rule.status.last_error = error.message;
}

void Group::WriteSamples(Rule& rule, std::vector<Sample> samples, const Pass& pass) {
  const Time at = pass.at - query_offset();
  SeriesByHash returned;
  for (const Sample& sample : samples) returned.emplace(sample.labels.Fingerprint(), sample.labels);
  SampleBatch stale{.samples = {}, .origin = Origin::kRule};
  for (const auto& [hash, labels] : rule.series) {
    if (!returned.contains(hash)) stale.samples.push_back({labels, StaleNaN(), at});
  }
  if (!samples.empty()) {
    const Status appended = deps_.samples.Append({std::move(samples), Origin::kRule});
    if (!appended) MarkFailed(rule, appended.error());
  }
  // Refused where another rule still gives the series: as it should be.
  if (!stale.samples.empty()) (void)deps_.samples.Append(stale);
  const std::lock_guard lock(mutex_);
  rule.series = std::move(returned);
}

void Group::CleanStaleSeries(Time at) {
  std::vector<Labels> gone;
  {
    const std::lock_guard lock(mutex_);
    gone.swap(stale_series_);
  }
  SampleBatch stale{.samples = {}, .origin = Origin::kRule};
  for (Labels& labels : gone) {
    stale.samples.push_back({std::move(labels), StaleNaN(), at - query_offset()});
  }
  if (!stale.samples.empty()) (void)deps_.samples.Append(stale);
}

void Group::Tell(std::size_t index, AlertingRule::Sending sending) {
  if (sending.alerts.empty()) return;
  AlertBatch batch{AlertSource::kRules, std::move(sending.alerts)};
  const auto then = [self = weak_from_this(), &brain = deps_.brain, index,
                     fingerprints = std::move(sending.fingerprints)](const Status& status) {
    if (status) return;
    brain.Finish([self, index, fingerprints, error = status.error()](const Moment&) {
      const auto group = self.lock();
      if (group == nullptr) return;
      group->metrics_.unsent.Increment(static_cast<double>(fingerprints.size()));
      group->deps_.log.Warn("the receivers did not take alerts, which will be told again",
                            {{"group", group->spec_.name}, {"err", error.message}});
      const std::lock_guard lock(group->mutex_);
      group->rules_[index].alerting->Unsend(fingerprints);
    });
  };
  deps_.alerts.Post(std::move(batch), then);
}

std::string Group::RecordId(const Rule& rule, std::uint64_t fingerprint) const {
  return fmt::format("{:016x}{:016x}", HashOf(spec_.Key() + '\n' + rule.identity), fingerprint);
}

Record Group::RecordOf(const Rule& rule, std::uint64_t fingerprint,
                       const ActiveAlert& alert) const {
  JsonWriter body;
  body.BeginObject().Field("rule", rule.identity).Key("alert").Raw(ToJson(alert)).EndObject();
  Record record;
  record.kind = kRecordKind;
  record.id = RecordId(rule, fingerprint);
  record.key = spec_.Key();
  record.body = body.Take();
  return record;
}

void Group::Save(std::size_t index, std::map<std::uint64_t, std::optional<ActiveAlert>> changes) {
  Batch batch;
  std::vector<std::uint64_t> fingerprints;
  {
    const std::lock_guard lock(mutex_);
    Rule& rule = rules_[index];
    for (const std::uint64_t fingerprint : std::exchange(rule.unsaved, {})) {
      const auto& active = rule.alerting->active();
      const auto it = active.find(fingerprint);
      changes.emplace(fingerprint, it == active.end() ? std::nullopt : std::optional(it->second));
    }
    for (const auto& [fingerprint, alert] : changes) {
      fingerprints.push_back(fingerprint);
      if (alert) {
        batch.writes.push_back({RecordOf(rule, fingerprint, *alert)});
      } else {
        batch.erasures.push_back({kRecordKind, RecordId(rule, fingerprint)});
      }
    }
  }
  if (fingerprints.empty()) return;
  const auto then = [self = weak_from_this(), &brain = deps_.brain, index,
                     fingerprints = std::move(fingerprints)](const Status& status) {
    if (status) return;
    brain.Finish([self, index, fingerprints, error = status.error()](const Moment&) {
      const auto group = self.lock();
      if (group == nullptr) return;
      group->metrics_.state_failures.Increment(static_cast<double>(fingerprints.size()));
      group->deps_.log.Error("alerts of a rule could not be stored, which is tried again",
                             {{"group", group->spec_.name}, {"err", error.message}});
      const std::lock_guard lock(group->mutex_);
      auto& unsaved = group->rules_[index].unsaved;
      unsaved.insert(unsaved.end(), fingerprints.begin(), fingerprints.end());
    });
  };
  deps_.store.Commit(std::move(batch), then);
}

void Group::TakeOver(Group& from) {
  const std::scoped_lock lock(mutex_, from.mutex_);
  std::map<std::string, Rule*> old;
  for (Rule& rule : from.rules_) old[rule.identity] = &rule;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    Rule& rule = rules_[i];
    const auto it = old.find(rule.identity);
    if (it == old.end()) continue;
    rule.series = std::move(it->second->series);
    rule.unsaved = std::move(it->second->unsaved);
    rule.status = it->second->status;
    const auto before = static_cast<std::size_t>(it->second - from.rules_.data());
    if (spec_.rules[i].expr == from.spec_.rules[before].expr) {
      rule.watch = std::move(it->second->watch);
    }
    if (rule.alerting) {
      for (const auto& [hash, alert] : it->second->alerting->active())
        rule.alerting->Restore(alert);
    }
    old.erase(it);
  }
  stale_series_ = std::move(from.stale_series_);
  Batch forgotten;
  for (const auto& [identity, rule] : old) {
    for (auto& [hash, labels] : rule->series) stale_series_.push_back(std::move(labels));
    if (!rule->alerting) continue;
    for (const auto& [hash, alert] : rule->alerting->active()) {
      forgotten.erasures.push_back({kRecordKind, from.RecordId(*rule, hash)});
    }
  }
  if (!forgotten.erasures.empty()) deps_.store.Commit(std::move(forgotten), [](const Status&) {});
  evaluations_ = from.evaluations_;
  first_evaluation_ = from.first_evaluation_;
  last_evaluation_ = from.last_evaluation_;
  evaluation_seconds_ = from.evaluation_seconds_;
  dead_ = std::move(from.dead_);
}

bool Group::Restore(const std::string& rule, ActiveAlert alert) {
  const std::lock_guard lock(mutex_);
  const auto it = std::find_if(rules_.begin(), rules_.end(),
                               [&](const Rule& one) { return one.identity == rule; });
  if (it == rules_.end() || !it->alerting) return false;
  it->alerting->Restore(std::move(alert));
  return true;
}

void Group::ForgetAlerts() {
  const std::lock_guard lock(mutex_);
  Batch forgotten;
  for (const Rule& rule : rules_) {
    if (!rule.alerting) continue;
    for (const auto& [hash, alert] : rule.alerting->active()) {
      forgotten.erasures.push_back({kRecordKind, RecordId(rule, hash)});
    }
  }
  if (!forgotten.erasures.empty()) deps_.store.Commit(std::move(forgotten), [](const Status&) {});
}

void Group::MarkAllStale(Time at) {
  {
    const std::lock_guard lock(mutex_);
    for (Rule& rule : rules_) {
      for (auto& [hash, labels] : rule.series) stale_series_.push_back(std::move(labels));
      rule.series.clear();
    }
  }
  CleanStaleSeries(at);
}

bool Group::HasActiveAlerts() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(rules_.begin(), rules_.end(), [](const Rule& rule) {
    return rule.alerting && !rule.alerting->active().empty();
  });
}

std::vector<std::pair<std::string, std::string>> Group::Failures() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, std::string>> failures;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const std::string& error = rules_[i].status.last_error;
    if (!error.empty()) failures.emplace_back(spec_.rules[i].name, error);
  }
  return failures;
}

GroupView Group::View() const {
  GroupView view{
      .file = spec_.file, .name = spec_.name, .interval = interval_, .limit = spec_.limit};
  const std::lock_guard lock(mutex_);
  view.last_evaluation = last_evaluation_;
  view.evaluation_seconds = evaluation_seconds_;
  view.rules.reserve(rules_.size());
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    RuleView rule{.spec = spec_.rules[i], .status = rules_[i].status};
    rule.evaluations = rules_[i].watch.Evaluations();
    rule.selectors = rules_[i].watch.Selectors();
    rule.dead = rules_[i].watch.dead();
    if (rules_[i].alerting) {
      rule.state = rules_[i].alerting->state();
      for (const auto& [hash, alert] : rules_[i].alerting->active()) {
        if (alert.state != AlertState::kInactive) rule.alerts.push_back(alert);
      }
    }
    view.rules.push_back(std::move(rule));
  }
  return view;
}

}  // namespace fettle::rules
