#include "receivers/backups/keeper.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/duration.h"
#include "receivers/backups/read_back.h"

namespace fettle::receivers::backups {
namespace {

constexpr const char* kProofsKind = "backup_proofs";
constexpr const char* kDrillKind = "backup_drill";
constexpr Millis kClockJumpMax{5 * 60'000};
constexpr Millis kProvenAgeDefault{31LL * 24 * 3'600'000};

}  // namespace

struct Keeper::Job {
  explicit Job(const JobSpec& s) : spec(s) {}

  const JobSpec& spec;
  std::vector<KeptPlace> places;
  Proofs proofs;
  DrillState drill;
  std::optional<Time> next_drill;
  std::string chore;
  std::string said;
  bool said_well = false;
  std::int64_t chores_done = 0;
  std::deque<Waiting> waiting;
  Brain::Ticket look_timer;
  Brain::Ticket drill_timer;
};

Keeper::Keeper(Deps deps, const std::vector<const JobSpec*>& jobs) : deps_(std::move(deps)) {
  for (const JobSpec* spec : jobs) {
    auto job = std::make_unique<Job>(*spec);
    for (const Target& target : spec->to) job->places.push_back({.place = PlaceOf(target)});
    jobs_.emplace(spec->name, std::move(job));
  }
}

Keeper::~Keeper() = default;

Status Keeper::Start(const Moment& now) {
  started_ = now;
  for (const auto& [name, job] : jobs_) {
    const auto proofs = deps_.store.Read({.kind = kProofsKind, .id = name});
    if (!proofs) return While("reading what was proven of backup " + name, proofs.error());
    if (!proofs->empty()) {
      Result<Proofs> read = ReadProofs(proofs->front().body);
      if (!read) return While("reading what was proven of backup " + name, read.error());
      job->proofs = *std::move(read);
    }
    const auto drill = deps_.store.Read({.kind = kDrillKind, .id = name});
    if (!drill) return While("reading the drills of backup " + name, drill.error());
    if (!drill->empty()) {
      Result<DrillState> read = ReadDrillState(drill->front().body);
      if (!read) return While("reading the drills of backup " + name, read.error());
      job->drill = *std::move(read);
    }
    Ask(name, {.chore = Chore::kLook}, now, {});
    ArmDrill(*job, now);
  }
  return {};
}

void Keeper::AfterRun(const std::string& name, const Moment& now) {
  Ask(name, {.chore = Chore::kPrune}, now, {});
}

void Keeper::Ask(const std::string& name, ChoreRequest request, const Moment& now, Then then) {
  const auto refuse = [&](Cause cause, const std::string& why) {
    if (then) then(Fail(cause, "{}", why), now);
  };
  const auto at = jobs_.find(name);
  if (at == jobs_.end()) {
    refuse(Cause::kNotFound, "there is no backup job named \"" + name + "\"");
    return;
  }
  Job& job = *at->second;
  if (request.chore == Chore::kDrill && !job.spec.drill) {
    refuse(Cause::kNotFound, "the backup job \"" + name + "\" has no drill");
    return;
  }
  if (job.waiting.size() >= kWaitingMax) {
    refuse(Cause::kConflict, "too many chores of \"" + name + "\" wait already");
    return;
  }
  job.waiting.push_back({std::move(request), std::move(then)});
  Next(job, now);
}

void Keeper::Next(Job& job, const Moment& now) {
  if (!job.chore.empty() || job.waiting.empty()) return;
  Waiting next = std::move(job.waiting.front());
  job.waiting.pop_front();
  job.chore = ToString(next.request.chore);
  ChoreInput input{.spec = job.spec,
                   .request = next.request,
                   .proofs = job.proofs,
                   .facts = deps_.facts(job.spec.name),
                   .clock_sane = ClockSane(now),
                   .drill_failed = job.drill.failed,
                   .now = now};
  for (const KeptPlace& place : job.places) input.known.push_back(place.catalogue);
  deps_.changed(now);
  const bool taken = deps_.hands.Do([this, &job, input = std::move(input), then = next.then] {
    const Log log = deps_.log.With({{"backup", job.spec.name}});
    ChoreOutcome outcome = DoChore({deps_.open, deps_.clock, log, deps_.stop}, input);
    deps_.brain.Finish([this, &job, request = input.request, outcome = std::move(outcome),
                        then](const Moment& later) mutable {
      Done(job, request, std::move(outcome), then, later);
    });
  });
  if (taken) return;
  job.chore.clear();
  if (next.then) next.then(Fail(Cause::kUnavailable, "every hand for backups is busy"), now);
}

void Keeper::Done(Job& job, const ChoreRequest& request, ChoreOutcome outcome, const Then& then,
                  const Moment& now) {
  job.chore.clear();
  const bool asked = then != nullptr;
  const std::string sentence =
      outcome.sentence ? *outcome.sentence : outcome.sentence.error().message;
  if (asked) {
    job.said = sentence;
    job.said_well = outcome.sentence.has_value();
    ++job.chores_done;
  }
  const Log log = deps_.log.With({{"backup", job.spec.name}, {"chore", ToString(request.chore)}});
  if (!outcome.sentence) {
    log.Error("looking after a backup failed", {{"err", sentence}});
  } else if (request.chore != Chore::kLook) {
    log.Info("looked after a backup", {{"what", sentence}});
  }
  Learn(job, outcome, now);
  if (request.chore == Chore::kLook) LookLater(job, now);
  if (then) then(outcome.sentence, now);
  Next(job, now);
}

void Keeper::Learn(Job& job, ChoreOutcome& outcome, const Moment& now) {
  for (std::size_t i = 0; i < outcome.places.size() && i < job.places.size(); ++i) {
    KeptPlace& place = outcome.places[i];
    // When it was last seen is history, and stays.
    if (place.looked == Time{}) place.looked = job.places[i].looked;
    job.places[i] = std::move(place);
  }
  const bool learned = !outcome.proofs.empty();
  for (auto& [key, proof] : outcome.proofs) job.proofs[key] = std::move(proof);
  // Of sets that are gone nothing needs to be known; of a place that is away everything stays.
  std::set<std::string> here;
  bool all_seen = true;
  for (const KeptPlace& place : job.places) {
    all_seen = all_seen && place.catalogue != nullptr;
    if (!place.catalogue) continue;
    for (const StoredSet& set : place.catalogue->sets) {
      here.insert(ProofKey(place.place, set.manifest.run_id));
    }
  }
  std::size_t forgotten = 0;
  if (all_seen) {
    forgotten =
        std::erase_if(job.proofs, [&](const auto& one) { return !here.contains(one.first); });
  }
  const bool news = learned || forgotten > 0 || outcome.drill || !outcome.removed.empty();
  if (outcome.drill) {
    ++job.drill.runs[std::string(ToString(outcome.drill->result))];
    if (outcome.drill->result == DrillResult::kSuccess) {
      job.drill.last_success = outcome.drill->ended;
      job.drill.proven_set_at = outcome.drill->set_at;
    }
    if (outcome.drill->result != DrillResult::kInconclusive) {
      job.drill.failed = outcome.drill->result == DrillResult::kFailed;
    }
    job.drill.last = *std::move(outcome.drill);
  }
  if (!outcome.removed.empty()) {
    deps_.metrics
        .Counter("fettle_retention_deletions_total", "Sets that retention removed.",
                 {{"backup", job.spec.name}})
        .Increment(static_cast<double>(outcome.removed.size()));
  }
  if (news) Record(job, outcome.removed);
  deps_.changed(now);
}

void Keeper::Record(const Job& job, const std::vector<std::string>& removed) {
  Batch batch;
  const std::string& name = job.spec.name;
  batch.writes.push_back({.record = {.kind = kProofsKind, .id = name, .body = Write(job.proofs)}});
  batch.writes.push_back({.record = {.kind = kDrillKind, .id = name, .body = Write(job.drill)}});
  for (const std::string& run : removed) {
    JsonWriter json;
    json.BeginObject().Field("what", "backup_removed").Field("backup", name).Field("run_id", run);
    json.EndObject();
    batch.audit.push_back(json.Take());
  }
  deps_.store.Commit(std::move(batch), [log = deps_.log, name](const Status& kept) {
    if (!kept) {
      log.Error("what is known of stored backups could not be recorded",
                {{"backup", name}, {"err", kept.error().message}});
    }
  });
}

void Keeper::LookLater(Job& job, const Moment& now) {
  deps_.brain.Cancel(job.look_timer);
  job.look_timer = deps_.brain.At(now.boot + kLookEvery, [this, &job](const Moment& then) {
    // Armed again first: a look that is refused is not the last one.
    LookLater(job, then);
    Ask(job.spec.name, {.chore = Chore::kLook}, then, {});
  });
}

void Keeper::ArmDrill(Job& job, const Moment& now) {
  if (!job.spec.drill || !job.spec.drill->schedule) return;
  const Time slot = job.spec.drill->schedule->Next(now.wall);
  job.next_drill = slot;
  // A wall clock that is set is noticed within this time.
  constexpr Millis kLookAgain{60'000};
  const Millis wait = std::min(slot - now.wall, kLookAgain);
  job.drill_timer = deps_.brain.At(now.boot + wait, [this, &job, slot](const Moment& then) {
    if (then.wall >= slot) Ask(job.spec.name, {.chore = Chore::kDrill}, then, {});
    ArmDrill(job, then);
  });
}

// The wall clock and the one that never jumps have gone the same way since the start.
bool Keeper::ClockSane(const Moment& now) const {
  const Millis wall = now.wall - started_.wall;
  const auto boot = std::chrono::duration_cast<Millis>(now.boot - started_.boot);
  return std::chrono::abs(wall - boot) <= kClockJumpMax;
}

std::optional<bool> Keeper::Restorable(const Job& job, const Moment& now) const {
  if (!job.spec.drill) return std::nullopt;
  const DrillState& drill = job.drill;
  if (drill.last_success == Time{} || drill.failed) return false;
  Millis age_max = kProvenAgeDefault;
  if (job.spec.drill->schedule) age_max = 2 * job.spec.drill->schedule->LongestGap(now.wall);
  if (job.spec.drill->max_age) age_max = *job.spec.drill->max_age;
  if (now.wall - drill.proven_set_at > age_max) return false;
  // A place that is away changes nothing of what was proven; one that can be seen must hold it.
  for (const KeptPlace& place : job.places) {
    if (!place.catalogue) continue;
    if (place.catalogue->sets.empty()) return false;
    const RetainedSet newest = ToRetain(place.catalogue->sets.back(), place.place, job.proofs);
    if (!newest.good || newest.level < kLevelDecoded) return false;
  }
  return true;
}

std::vector<KeptView> Keeper::View(const Moment& now) const {
  std::vector<KeptView> views;
  for (const auto& [name, job] : jobs_) {
    KeptView view{.name = name,
                  .places = job->places,
                  .proofs = job->proofs,
                  .next_drill = job->next_drill,
                  .restorable = Restorable(*job, now),
                  .max_shrink = job->spec.max_shrink,
                  .chore = job->chore,
                  .said = job->said,
                  .said_well = job->said_well,
                  .chores_done = job->chores_done};
    if (job->spec.drill) {
      view.drill = job->drill;
      view.rto = job->spec.drill->rto;
      view.rpo = job->spec.drill->rpo;
    }
    views.push_back(std::move(view));
  }
  return views;
}

}  // namespace fettle::receivers::backups
