#include "receivers/verify.h"

#include <algorithm>

namespace fettle::receivers {
namespace {

using Answer = Verdict::Answer;

std::string IdentityOf(const Attempt& attempt, const std::string& name) {
  const auto found = attempt.identity.find(name);
  return found == attempt.identity.end() ? "" : found->second;
}

// By id; after a recreation, whoever has its name now.
const Container* FindContainer(const std::vector<Container>& containers, const Attempt& attempt) {
  const std::string id = IdentityOf(attempt, "id");
  const Container* by_name = nullptr;
  for (const Container& container : containers) {
    if (container.id == id) return &container;
    if (container.name == attempt.instance) by_name = &container;
  }
  return by_name;
}

Verdict WeighState(const Container& container) {
  if (container.state != ContainerState::kRunning) {
    return {Answer::kNo, fmt::format("{} is {} (exit code {})", container.name,
                                     ToString(container.state), container.exit_code)};
  }
  switch (container.health) {
    case ContainerHealth::kStarting:
      return {Answer::kNo, container.name + " is still starting", kStartingMax};
    case ContainerHealth::kUnhealthy:
      return {Answer::kNo, container.name + " is unhealthy"};
    case ContainerHealth::kHealthy:
      return {Answer::kYes, container.name + " is healthy"};
    case ContainerHealth::kNone:
      break;
  }
  return {Answer::kYes, container.name + " is running"};
}

Verdict WeighContainer(const VerifySeen& seen, const Attempt& attempt) {
  if (seen.look_error) return {Answer::kUnknown, *seen.look_error};
  const Container* container = FindContainer(seen.containers, attempt);
  if (container == nullptr) container = FindContainer(seen.dependants, attempt);
  if (container == nullptr) return {Answer::kNo, attempt.instance + " does not exist any more"};
  if (attempt.kind == "stop") {
    const bool stopped = container->state != ContainerState::kRunning;
    return {stopped ? Answer::kYes : Answer::kNo,
            container->name + (stopped ? " has stopped" : " runs again")};
  }
  // A signal or a program inside leaves the run as it is.
  const bool restarts = attempt.kind == "restart" || attempt.kind == "start";
  const bool same_run = restarts && container->id == IdentityOf(attempt, "id") &&
                        container->started_at_raw == IdentityOf(attempt, "started_at");
  if (same_run) return {Answer::kNo, container->name + " has not been started again"};
  return WeighState(*container);
}

Verdict WeighExpression(const VerifySeen& seen) {
  if (!seen.expr) return {Answer::kUnknown, "the expression cannot be asked: " + seen.expr_error};
  if (*seen.expr) return {Answer::kYes, "the expression holds"};
  return {Answer::kNo, "the expression does not hold"};
}

// Of an attempt whose outcome nobody knows, only the end of every alert is evidence.
Verdict WeighAlerts(const Incident& incident, bool all_of_them) {
  for (const Trigger& trigger : incident.triggers) {
    const bool ends_soon =
        all_of_them || trigger.source == AlertSource::kRules || trigger.source == AlertSource::kApi;
    if (trigger.resolved || !ends_soon) continue;
    return {Answer::kNo, fmt::format("{} still fires", trigger.labels.Get("alertname")),
            kAlertEndsMax};
  }
  return {Answer::kYes, "no alert fires"};
}

}  // namespace

VerifySeen LookAt(const Targets& targets, const Judge* judge, const Subject& subject,
                  const VerifySpec& spec, Time now) {
  VerifySeen seen;
  if (subject.HasContainers()) {
    Result<std::vector<Container>> containers = targets.Resolve(subject);
    if (containers) {
      seen.containers = *std::move(containers);
    } else {
      seen.look_error = containers.error().message;
    }
  }
  if (spec.expr.empty()) return seen;
  if (judge == nullptr) {
    seen.expr_error = "there are no rules here to ask";
    return seen;
  }
  const Result<std::vector<Sample>> answer = judge->Ask(spec.expr, now, kAskTimeout);
  if (answer) {
    seen.expr = !answer->empty();
  } else {
    seen.expr_error = answer.error().message;
  }
  return seen;
}

Verdict Weigh(const VerifySeen& seen, const VerifySpec& spec, const Incident& incident,
              const Attempt& attempt, bool last_of_pass) {
  Verdict verdict{Answer::kYes, "it ended well"};
  if (!attempt.instance.empty()) {
    verdict = WeighContainer(seen, attempt);
    if (verdict.answer != Answer::kYes || !last_of_pass) return verdict;
  }
  if (!spec.expr.empty()) {
    Verdict expression = WeighExpression(seen);
    if (expression.answer != Answer::kYes) return expression;
    verdict.sentence += ", " + expression.sentence;
    return verdict;
  }
  // A backup job verifies what it wrote; its alert may need a day to notice.
  const bool unknown = attempt.state == AttemptState::kIndeterminate;
  if (attempt.kind == "backup" && !unknown) return verdict;
  Verdict alerts = WeighAlerts(incident, unknown);
  if (alerts.answer != Answer::kYes) {
    alerts.sentence = verdict.sentence + ", but " + alerts.sentence;
    return alerts;
  }
  return verdict;
}

Verdict WeighHeld(const VerifySeen& seen, const VerifySpec& spec, const Incident& incident,
                  const std::vector<Container>& watched, bool asks_alerts) {
  if (seen.look_error) return {Answer::kUnknown, *seen.look_error};
  for (const Container& container : watched) {
    const Verdict verdict = WeighState(container);
    if (verdict.answer != Answer::kYes) return verdict;
  }
  if (!spec.expr.empty()) return WeighExpression(seen);
  return asks_alerts ? WeighAlerts(incident, false) : Verdict{Answer::kYes, "it ended well"};
}

}  // namespace fettle::receivers
