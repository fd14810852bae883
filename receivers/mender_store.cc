// The mender's records: commits and what follows them, restarts, people's commands and views.
#include <algorithm>
#include <utility>

#include "common/check.h"
#include "common/json.h"
#include "receivers/mender.h"
#include "receivers/mender_live.h"

namespace fettle::receivers {
namespace {

constexpr std::size_t kPurgedAtOnce = 5'000;

constexpr Millis kFlapsRestored{24 * 3'600'000};
constexpr char kClosedListKind[] = "incidents_closed";

// The ids of the latest that were closed, in one record: so a start reads these and not all of 90
// days. The id goes to the front.
Record ClosedList(std::deque<std::string>& ids, const std::string& id) {
  std::erase(ids, id);
  ids.push_front(id);
  if (ids.size() > Mender::kClosedKept) ids.pop_back();
  JsonWriter json;
  json.BeginArray();
  for (const std::string& one : ids) json.String(one);
  json.EndArray();
  return {.kind = kClosedListKind, .id = "latest", .body = json.Take()};
}

bool IsNew(const Attempt& attempt) {
  return attempt.state == AttemptState::kIntent && attempt.reissues == 0 && attempt.noted == 0;
}

}  // namespace

// --- commits ---------------------------------------------------------------------------------

void Mender::Commit(Live& live, std::vector<Attempt> attempts, std::vector<std::string> audit,
                    Must must, Next then, Next failed) {
  FETTLE_CHECK(!live.committing);
  live.committing = true;
  const Incident& incident = live.incident;
  Batch batch;
  // An open incident is always due, so that a restart finds it even if the clock was set back
  // meanwhile; a closed one when it may be
  // forgotten.
  const Time due = incident.open() ? Time{} : incident.closed_at + options_.retention;
  batch.writes.push_back({ToRecord(incident, due), incident.version});
  for (const Attempt& attempt : attempts) {
    batch.writes.push_back({ToRecord(attempt, attempt.intent_at + options_.retention),
                            IsNew(attempt) ? 0 : Write::kAnyVersion});
  }
  if (!incident.open()) batch.writes.push_back({ClosedList(closed_ids_, incident.id)});
  batch.audit = std::move(audit);
  Send(incident.id, std::make_shared<const Batch>(std::move(batch)), must, std::move(then),
       std::move(failed));
}

void Mender::Send(const std::string& id, std::shared_ptr<const Batch> batch, Must must, Next then,
                  Next failed) {
  Batch copy = *batch;
  deps_.store.Commit(std::move(copy), [this, id, batch, must, then, failed](const Status& status) {
    deps_.brain.Finish([this, id, batch, must, then, failed, status](const Moment& now) {
      OnCommitted(id, batch, status, must, then, failed, now);
    });
  });
}

void Mender::OnCommitted(const std::string& id, const std::shared_ptr<const Batch>& batch,
                         const Status& status, Must must, const Next& then, const Next& failed,
                         const Moment& now) {
  Live* live = FindLive(id);
  if (live == nullptr) return;
  if (status) {
    live->committing = false;
    ++live->incident.version;
    then(*live, now);
    Free(id, now);
    return;
  }
  metrics_.StoreFailed();
  deps_.log.Error("storing an incident", {{"incident", id}, {"error", status.error().message}});
  const bool conflict = status.error().cause == Cause::kConflict;
  if (must == Must::kYes && !conflict) {
    // What has happened must be known after a restart; nothing else is done until it is.
    deps_.brain.At(now.boot + kStoreRetry, [this, id, batch, must, then, failed](const Moment&) {
      Send(id, batch, must, then, failed);
    });
    return;
  }
  live->committing = false;
  if (must == Must::kNo) failed(*live, now);
  live = FindLive(id);
  if (live == nullptr) return;
  if (conflict) {
    ReadAgain(*live, now);
  } else {
    Free(id, now);
  }
}

void Mender::Free(const std::string& id, const Moment& now) {
  Live* live = FindLive(id);
  if (live == nullptr || live->busy()) return;
  if (!live->commands.empty()) {
    const Next command = std::move(live->commands.front());
    live->commands.pop_front();
    command(*live, now);
  } else if (live->woken) {
    Wake(*live, now);
  }
}

// --- restarts --------------------------------------------------------------------------------

Status Mender::Load(const Moment& now) {
  const Result<std::vector<Record>> records =
      deps_.store.Read({.kind = std::string(kIncidentKind), .due_by = now.wall});
  if (!records) return While("reading incidents", records.error());
  const Result<std::vector<Record>> tried = deps_.store.Read({.kind = std::string(kAttemptKind)});
  if (!tried) return While("reading attempts", tried.error());
  std::map<std::string, std::vector<Attempt>> attempts;
  std::vector<Attempt> judged;
  for (const Record& record : *tried) {
    Result<Attempt> attempt = ToAttempt(record);
    if (!attempt) return tl::unexpected(attempt.error());
    if (now.wall - attempt->intent_at < kWindowSpanMax) history_.Restore(*attempt, now);
    if (attempt->verified) judged.push_back(*attempt);
    attempts[attempt->incident].push_back(*std::move(attempt));
  }
  LoadHelped(std::move(judged));
  if (Status read = LoadClosed(attempts); !read) return read;
  // The latest is the first, and beginnings are in their order.
  for (const View& view : closed_) {
    const Incident& incident = view.incident;
    if (now.wall - incident.opened_at > kFlapsRestored) continue;
    flaps_[IncidentKey(incident.repair, incident.target)].beginnings.push_front(
        now.boot - (now.wall - incident.opened_at));
  }
  for (const Record& record : *records) {
    Result<Incident> incident = ToIncident(record);
    if (!incident) return tl::unexpected(incident.error());
    if (!incident->open()) continue;
    auto live = std::make_unique<Live>();
    live->incident = *std::move(incident);
    live->attempts = std::move(attempts[live->incident.id]);
    std::sort(live->attempts.begin(), live->attempts.end(),
              [](const Attempt& a, const Attempt& b) { return a.number < b.number; });
    live->detected = now.boot;
    live->measured = true;
    live->verify_from = now.boot;
    // What still fires is said again before Begin().
    for (Trigger& trigger : live->incident.triggers) trigger.resolved = true;
    if (live->incident.state == IncidentState::kHolding) {
      live->incident.state = IncidentState::kVerifying;
    }
    Live& added = Add(std::move(live));
    Rebind(added);
    if (added.OpenAttempt() != nullptr) ++calls_under_way_;
  }
  metrics_.SetCallsUnderWay(calls_under_way_);
  return {};
}

Status Mender::LoadClosed(const std::map<std::string, std::vector<Attempt>>& attempts) {
  const auto list = deps_.store.Read({.kind = kClosedListKind, .id = "latest"});
  if (!list) return While("reading which incidents were closed", list.error());
  if (list->empty()) return {};
  const Result<Json> ids = Json::Parse(list->front().body);
  if (!ids) return While("reading which incidents were closed", ids.error());
  for (const Json& item : ids->Items()) {
    const std::string id = item.StringOr("");
    const auto records = deps_.store.Read({.kind = std::string(kIncidentKind), .id = id});
    if (!records) return While("reading closed incidents", records.error());
    const Result<Incident> incident =
        records->empty() ? Result<Incident>(Fail("forgotten")) : ToIncident(records->front());
    if (!incident || incident->open()) continue;
    View view;
    view.incident = *incident;
    if (const auto found = attempts.find(id); found != attempts.end())
      view.attempts = found->second;
    std::sort(view.attempts.begin(), view.attempts.end(),
              [](const Attempt& a, const Attempt& b) { return a.number < b.number; });
    closed_.push_back(std::move(view));
    closed_ids_.push_back(id);
  }
  return {};
}

void Mender::LoadHelped(std::vector<Attempt> attempts) {
  std::stable_sort(attempts.begin(), attempts.end(), [](const Attempt& a, const Attempt& b) {
    return a.verified_at < b.verified_at;
  });
  for (const Attempt& attempt : attempts) NoteHelped(attempt.repair, *attempt.verified);
}

// Who mostly does not help is not let loose on the next one.
void Mender::NoteHelped(const std::string& repair, bool helped) {
  std::deque<bool>& last = helped_[repair];
  last.push_back(helped);
  if (last.size() > kJudged) last.pop_front();
  const auto good = std::count(last.begin(), last.end(), true);
  const bool demoted = last.size() == kJudged && good * 2 < static_cast<std::ptrdiff_t>(kJudged);
  const RepairSpec* spec = config_->FindRepair(repair);
  if (spec == nullptr || demoted == demoted_.contains(repair)) return;
  const Mode mode = config_->EffectiveMode(*spec);
  if (demoted) {
    demoted_.insert(repair);
    metrics_.SetMode(repair, std::min(mode, Mode::kApprove));
    deps_.log.Warn("a repair that mostly does not help waits for approval from now on",
                   {{"repair", repair}, {"helped", good}, {"of", last.size()}});
  } else {
    demoted_.erase(repair);
    metrics_.SetMode(repair, mode);
  }
}

void Mender::Rebind(Live& live) {
  live.config = config_;
  live.repair = config_->FindRepair(live.incident.repair);
  if (live.repair == nullptr) return;
  std::optional<Subject> subject =
      deps_.targets.FromName(*config_, *live.repair, live.incident.target);
  if (subject) {
    live.subject = *std::move(subject);
  } else {
    live.repair = nullptr;
  }
}

void Mender::Reconfigure(std::shared_ptr<const RepairsConfig> config, const Moment& now) {
  for (const RepairSpec& repair : config_->repairs) {
    if (config->FindRepair(repair.name) == nullptr) metrics_.RemoveRepair(repair.name);
  }
  config_ = std::move(config);
  dependencies_.Use(*config_);
  demoted_.clear();
  helped_.clear();
  for (const RepairSpec& repair : config_->repairs) {
    metrics_.SetMode(repair.name, config_->EffectiveMode(repair));
    CountOpen(repair.name);
  }
  std::vector<std::string> ids;
  for (const auto& [id, live] : incidents_) ids.push_back(id);
  for (const std::string& id : ids) {
    if (Live* live = FindLive(id)) Wake(*live, now);
  }
}

void Mender::ReadAgain(Live& live, const Moment& now) {
  const std::string id = live.incident.id;
  const bool taken = deps_.hands.Do([this, id] {
    const Result<std::vector<Record>> records =
        deps_.store.Read({.kind = std::string(kIncidentKind), .id = id});
    const Result<std::vector<Record>> tried =
        deps_.store.Read({.kind = std::string(kAttemptKind), .key = id});
    std::optional<Incident> incident;
    std::vector<Attempt> attempts;
    const bool read = records.has_value() && tried.has_value();
    if (read && !records->empty()) {
      if (Result<Incident> found = ToIncident(records->front())) incident = *std::move(found);
    }
    for (std::size_t i = 0; read && i < tried->size(); ++i) {
      if (Result<Attempt> found = ToAttempt((*tried)[i])) attempts.push_back(*std::move(found));
    }
    deps_.brain.Finish([this, id, read, incident, attempts](const Moment& later) {
      Live* looked = FindLive(id);
      if (looked == nullptr) return;
      looked->looking = false;
      if (read) {
        Adopt(*looked, incident, attempts, later);
      } else {
        RetryReading(*looked, later);
      }
    });
  });
  live.looking = true;
  if (!taken) RetryReading(live, now);
}

void Mender::RetryReading(Live& live, const Moment& now) {
  live.looking = true;
  deps_.brain.At(now.boot + kStoreRetry, [this, id = live.incident.id](const Moment& later) {
    if (Live* again = FindLive(id)) ReadAgain(*again, later);
  });
}

// Somebody else has written it, or an own commit had succeeded without a word: the store is right.
void Mender::Adopt(Live& live, std::optional<Incident> incident, std::vector<Attempt> attempts,
                   const Moment& now) {
  const std::string id = live.incident.id;
  std::vector<Trigger> triggers = std::move(live.incident.triggers);
  std::sort(attempts.begin(), attempts.end(),
            [](const Attempt& a, const Attempt& b) { return a.number < b.number; });
  if (live.OpenAttempt() != nullptr) --calls_under_way_;
  if (incident && incident->open()) {
    live.incident = *std::move(incident);
    live.attempts = std::move(attempts);
  } else if (incident && HasActedIn(attempts)) {
    // The same cause was mended before: it is as after that, until the target says otherwise.
    live.incident = *std::move(incident);
    live.attempts = std::move(attempts);
    live.incident.state = IncidentState::kHeld;
    live.incident.outcome.clear();
    live.incident.escalation.clear();
    live.incident.escalation_sentence.clear();
    live.incident.held_at = now.wall;
    live.incident.closed_at = {};
    live.incident.Note(now.wall, "its alert is said again");
  } else {
    const std::int64_t version = incident ? incident->version : 0;
    const int number = incident ? incident->attempts : 0;
    Incident fresh;
    fresh.id = live.incident.id;
    fresh.repair = live.incident.repair;
    fresh.target = live.incident.target;
    fresh.opened_at = live.incident.opened_at;
    fresh.version = version;
    fresh.attempts = number;
    live.incident = std::move(fresh);
    live.attempts.clear();
  }
  // What fires is known here, not there.
  live.incident.triggers = std::move(triggers);
  live.verify_from = now.boot;
  live.well_since.reset();
  if (live.OpenAttempt() == nullptr) {
    metrics_.SetCallsUnderWay(calls_under_way_);
    Wake(live, now);
    return;
  }
  ++calls_under_way_;
  metrics_.SetCallsUnderWay(calls_under_way_);
  CallAction(live, true, now);
}

void Mender::Purge(const Moment& now) {
  deps_.brain.At(now.boot + kPurgeEvery, [this](const Moment& later) { Purge(later); });
  history_.Forget(now);
  const bool taken = deps_.hands.Do([&store = deps_.store, log = deps_.log, wall = now.wall] {
    Batch batch;
    for (const std::string_view kind : {kIncidentKind, kAttemptKind, kEvidenceKind}) {
      const auto records =
          store.Read({.kind = std::string(kind), .due_by = wall, .limit = kPurgedAtOnce});
      if (!records) return;
      for (const Record& record : *records) {
        const bool is_incident = kind == kIncidentKind;
        const Result<Incident> incident =
            is_incident ? ToIncident(record) : Result<Incident>(Fail("not one"));
        if (is_incident && (!incident || incident->open())) continue;
        batch.erasures.push_back({record.kind, record.id, record.version});
      }
    }
    if (batch.erasures.empty()) return;
    store.Commit(std::move(batch), [log](const Status& status) {
      if (!status) log.Warn("forgetting old incidents", {{"error", status.error().message}});
    });
  });
  static_cast<void>(taken);  // the next round does it
}

std::string Mender::Audit(
    std::string_view what, const Live& live,
    const std::vector<std::pair<std::string_view, std::string>>& fields) const {
  JsonWriter json;
  json.BeginObject();
  json.Field("what", what);
  json.Field("incident", live.incident.id);
  json.Field("repair", live.incident.repair);
  json.Field("target", live.incident.target);
  for (const auto& [name, value] : fields) json.Field(name, value);
  json.EndObject();
  return json.Take();
}

// --- people ----------------------------------------------------------------------------------

void Mender::Do(Command command, const std::string& incident, const std::string& by, Done done,
                const Moment& now) {
  Live* live = FindLive(incident);
  if (live == nullptr || !live->incident.open()) {
    done(Fail(Cause::kNotFound, "there is no open incident {}", Quote(incident)));
    return;
  }
  // A hold counts at once: a call under way ends, and nothing new begins.
  if (command == Command::kHold) live->incident.on_hold = true;
  live->commands.push_back([this, command, by, done](Live& free, const Moment& then) {
    RunCommand(free, command, by, done, then);
  });
  Free(incident, now);
}

void Mender::RunCommand(Live& live, Command command, const std::string& by, const Done& done,
                        const Moment& now) {
  Incident& incident = live.incident;
  const Incident before = incident;
  const IncidentState state = incident.state;
  std::string_view verb;
  if (command == Command::kApprove) {
    if (state != IncidentState::kSuppressed || incident.reason != "approval") {
      done(Fail(Cause::kConflict, "incident {} does not wait for approval: it is {}", incident.id,
                ToString(state)));
      Free(incident.id, now);
      return;
    }
    incident.approved_by = by;
    incident.approved_pass = incident.pass;
    incident.approved_until = now.wall + kApprovalLasts;
    verb = "approved";
  } else if (command == Command::kHold) {
    incident.on_hold = true;
    verb = "held";
  } else {
    const bool waits = state == IncidentState::kEligible || state == IncidentState::kSuppressed;
    if (!waits && state != IncidentState::kEscalated && !incident.on_hold) {
      done(Fail(Cause::kConflict, "incident {} cannot be retried: it is {}", incident.id,
                ToString(state)));
      Free(incident.id, now);
      return;
    }
    incident.on_hold = false;
    if (waits || state == IncidentState::kEscalated) {
      incident.state = IncidentState::kEligible;
      incident.rung = 0;
      incident.rung_passes = 0;
      ++incident.pass;
      incident.first_pass = true;
      incident.pass_is_rolling = false;
      incident.released_at = now.wall;
      incident.escalation.clear();
      incident.escalation_sentence.clear();
    }
    verb = "retried";
  }
  incident.Note(now.wall, fmt::format("{} by {}", verb, by.empty() ? "somebody" : by));
  Commit(
      live, {}, {Audit(verb, live, {{"by", by}})}, Must::kNo,
      [this, done](Live& stored, const Moment& then) {
        done({});
        Wake(stored, then);
      },
      [this, before, done](Live& failed, const Moment& then) {
        std::vector<Trigger> triggers = std::move(failed.incident.triggers);
        failed.incident = before;
        failed.incident.triggers = std::move(triggers);
        done(Fail(Cause::kUnavailable, "it could not be stored: try again"));
        Wake(failed, then);
      });
}

Mender::View Mender::ViewOf(const Live& live, const Moment& now) const {
  View view;
  view.incident = live.incident;
  view.attempts = live.attempts;
  if (const RungSpec* rung = RungOf(live)) view.action = KindOf(rung->action);
  if (live.timer)
    view.next_in = std::max(Millis(0), std::chrono::ceil<Millis>(live.wake_at - now.boot));
  return view;
}

std::vector<Mender::View> Mender::Open(const Moment& now) const {
  std::vector<View> views;
  for (const auto& [id, live] : incidents_) views.push_back(ViewOf(*live, now));
  std::stable_sort(views.begin(), views.end(), [](const View& a, const View& b) {
    return a.incident.opened_at > b.incident.opened_at;
  });
  return views;
}

std::vector<Mender::View> Mender::Closed() const { return {closed_.begin(), closed_.end()}; }

std::optional<Mender::View> Mender::Find(const std::string& id, const Moment& now) const {
  const auto found = incidents_.find(id);
  if (found != incidents_.end()) return ViewOf(*found->second, now);
  for (const View& view : closed_) {
    if (view.incident.id == id) return view;
  }
  return std::nullopt;
}

}  // namespace fettle::receivers
