#include "receivers/actions/backup.h"

#include <charconv>
#include <utility>

namespace fettle::receivers {

const ActionTraits& BackupAction::traits() const {
  static const ActionTraits traits{.kind = "backup", .on_container = false, .counted = true};
  return traits;
}

Identity BackupAction::Prepare(const Subject& subject, const Incident& incident,
                               const Container*) const {
  const Trigger* leading = incident.Leading();
  const Time since = leading == nullptr ? incident.opened_at : leading->starts_at;
  return {{"backup", subject.backup}, {"since", fmt::format("{}", ToMillis(since))}};
}

void BackupAction::Call(ActionCall call, Finish finish) {
  const std::string name = call.attempt.identity["backup"];
  const std::string text = call.attempt.identity["since"];
  std::int64_t since = 0;
  std::from_chars(text.data(), text.data() + text.size(), since);
  if (deps_.backups == nullptr || !deps_.backups->Knows(name)) {
    deps_.brain.Finish([finish, name](const Moment& now) {
      finish(Step::Outcome(AttemptState::kFailed, "no backup is named " + Quote(name)), now);
    });
    return;
  }
  const std::string reason =
      fmt::format("repair {}, incident {}", call.attempt.repair, call.attempt.incident);
  deps_.backups->Run(
      name, reason, TimeFromMillis(since),
      [finish](Result<BackupOutcome> outcome, const Moment& now) {
        if (!outcome) {
          finish(Step::Outcome(AttemptState::kFailed, outcome.error().message), now);
          return;
        }
        finish(Step::Outcome(outcome->converged ? AttemptState::kConverged : AttemptState::kDone,
                             outcome->sentence),
               now);
      });
}

}  // namespace fettle::receivers
