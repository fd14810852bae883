#include "receivers/actions/escalate.h"

#include <utility>

#include "common/duration.h"
#include "receivers/approvals.h"

namespace fettle::receivers {
namespace {

constexpr std::size_t kAlertsNamedMax = 10;

std::string Seen(const Incident& incident) {
  std::string text = "Seen: ";
  std::size_t named = 0;
  for (const Trigger& trigger : incident.triggers) {
    if (named == kAlertsNamedMax) break;
    if (named++ > 0) text += "; ";
    text += fmt::format("{} since {}{}", trigger.labels.ToString(),
                        FormatRfc3339(trigger.starts_at), trigger.resolved ? " (ended)" : "");
  }
  const std::size_t rest =
      incident.triggers.size() - named + static_cast<std::size_t>(incident.triggers_dropped);
  if (rest > 0) text += fmt::format("; and {} more", rest);
  return text;
}

std::string Tried(const std::vector<Attempt>& attempts) {
  std::string text = "Tried: ";
  bool any = false;
  for (const Attempt& attempt : attempts) {
    if (attempt.kind == "escalate") continue;
    if (any) text += "; ";
    any = true;
    text += attempt.kind;
    if (!attempt.instance.empty()) text += " of " + attempt.instance;
    text += fmt::format(" at {}: {}", FormatRfc3339(attempt.intent_at), ToString(attempt.state));
    if (attempt.verified) text += *attempt.verified ? ", it helped" : ", it did not help";
    if (!attempt.note.empty()) text += " (" + attempt.note + ")";
  }
  return any ? text : "Tried: nothing";
}

}  // namespace

Alert EscalationAlert(const ActionCall& call, const std::string& external_url) {
  const Incident& incident = *call.incident;
  Alert alert;
  alert.labels = Labels{{"alertname", "RepairEscalated"},
                        {"repair", incident.repair},
                        {"target", incident.target},
                        {"incident", incident.id}};
  if (const Trigger* leading = incident.Leading()) {
    alert.labels.Set("alert", leading->labels.Get("alertname"));
    alert.labels.Set("severity", leading->labels.Get("severity"));
  }
  alert.annotations.Set("summary", fmt::format("{} could not mend {}: a person is needed",
                                               incident.repair, incident.target));
  std::string next = fmt::format(
      "Next: nothing by itself, until the alerts end or somebody asks: "
      "POST /api/fettle/v1/incidents/{}/retry",
      incident.id);
  const std::string found = call.reason.empty() ? "nothing more" : call.reason;
  alert.annotations.Set("description", fmt::format("{}\n{}\nFound: {}\n{}", Seen(incident),
                                                   Tried(call.earlier), found, next));
  alert.starts_at = incident.opened_at;
  if (!external_url.empty()) {
    alert.generator_url = fmt::format("{}/#incidents/{}", external_url, incident.id);
  }
  return alert;
}

Alert ApprovalAlert(const ActionCall& call, const std::string& link, Time now) {
  const Incident& incident = *call.incident;
  Alert alert = EscalationAlert(call, "");
  alert.labels.Set("alertname", "RepairWaitsForApproval");
  alert.annotations.Set("summary",
                        fmt::format("{} waits for approval: {}", incident.repair, call.reason));
  const std::string next =
      link.empty() ? fmt::format("Approve: POST /api/fettle/v1/incidents/{}/approve", incident.id)
                   : fmt::format("Approve within {}: {}", FormatDuration(Approvals::kLasts), link);
  alert.annotations.Set("description", fmt::format("{}\n{}\nIt would: {}\n{}", Seen(incident),
                                                   Tried(call.earlier), call.reason, next));
  alert.generator_url = link;
  alert.starts_at = now;
  return alert;
}

const ActionTraits& EscalateAction::traits() const {
  static const ActionTraits traits{.kind = "escalate", .on_container = false, .counted = false};
  return traits;
}

Identity EscalateAction::Prepare(const Subject&, const Incident& incident, const Container*) const {
  return {{"reason", incident.reason}};
}

void EscalateAction::Call(ActionCall call, Finish finish) {
  const auto* spec = std::get_if<EscalateSpec>(&call.rung.action);
  if (spec == nullptr || deps_.teller == nullptr || !deps_.teller->Knows(spec->receiver)) {
    deps_.brain.Finish([finish](const Moment& now) {
      finish(Step::Outcome(AttemptState::kFailed, "its receiver is not configured any more"), now);
    });
    return;
  }
  const BootTime deadline = call.deadline;
  const std::string receiver = spec->receiver;
  deps_.teller->Tell(
      receiver, call.attempt.incident, {EscalationAlert(call, deps_.external_url)}, kTellTimeout,
      [finish, receiver, deadline](const Status& status, const Moment& now) {
        if (status) {
          finish(Step::Outcome(AttemptState::kDone, "told " + receiver, now.boot), now);
        } else if (now.boot < deadline) {
          finish(Step::LookAgain(kAgainAfter, status.error().message), now);
        } else {
          finish(Step::Outcome(AttemptState::kFailed, status.error().message), now);
        }
      });
}

}  // namespace fettle::receivers
