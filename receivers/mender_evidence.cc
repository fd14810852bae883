// What an attempt finds out besides its outcome: the part of the mender that writes it down.
#include <utility>

#include "receivers/evidence.h"
#include "receivers/mender.h"
#include "receivers/mender_live.h"

namespace fettle::receivers {

// Before the incident's first interruption; CallAction() is asked again when it is there. False if
// there is nothing to wait for.
bool Mender::TakeEvidence(Live& live, const Moment& now) {
  const bool wanted = live.repair != nullptr && live.repair->evidence;
  Engine* engine = deps_.targets.EngineOf(live.attempts.back().connection);
  if (!wanted || live.incident.has_evidence || engine == nullptr) return false;
  const std::string id = live.incident.id;
  const bool taken = deps_.hands.Do([this, id, engine, container = live.chosen, wall = now.wall] {
    Evidence evidence = TakeEvidenceOf(*engine, container, wall);
    deps_.brain.Finish([this, id, evidence = std::move(evidence)](const Moment& later) {
      Live* looked = FindLive(id);
      if (looked == nullptr) return;
      looked->looking = false;
      looked->incident.has_evidence = true;
      looked->incident.Note(later.wall, "seen before: " + evidence.sentence);
      Batch batch;
      batch.writes.push_back({{.kind = std::string(kEvidenceKind),
                               .id = id,
                               .key = id,
                               .due_at = later.wall + options_.retention,
                               .body = evidence.json}});
      deps_.store.Commit(std::move(batch), [log = deps_.log, id](const Status& status) {
        if (!status) {
          log.Warn("evidence was not stored", {{"incident", id}, {"err", status.error().message}});
        }
      });
      CallAction(*looked, false, later);
      Free(id, later);
    });
  });
  live.looking = taken;
  return taken;
}

// What the action has found out belongs to the attempt before anything else is done.
void Mender::NoteFound(Live& live, const Step& step) {
  Attempt& attempt = live.attempts.back();
  for (const auto& [name, value] : step.found) attempt.identity[name] = value;
  attempt.note = step.note;
  ++attempt.noted;
  const auto go_on = [this](Live& noted, const Moment&) { Proceed(noted, true); };
  Commit(live, {attempt}, {}, Must::kYes, go_on, go_on);
}

}  // namespace fettle::receivers
