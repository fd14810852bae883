// What the guards want to know beyond the target itself: the part of the mender that looks at the
// whole stack.
#include <algorithm>
#include <utility>

#include "common/duration.h"
#include "receivers/mender.h"
#include "receivers/mender_live.h"

namespace fettle::receivers {
namespace {

// The engine wakes whoever waits for it; this is for events that get lost.
constexpr Millis kDependencyAgain{5'000};

// A one-shot that ended well is nobody's trouble.
bool HasDoneItsWork(const Container& container) {
  const bool once = container.restart_policy.empty() || container.restart_policy == "no";
  return container.state == ContainerState::kExited && container.exit_code == 0 && once &&
         container.health == ContainerHealth::kNone;
}

bool IsDown(const std::vector<Container>& containers) {
  return !containers.empty() &&
         std::none_of(containers.begin(), containers.end(), [](const Container& container) {
           return LooksWell(container) || HasDoneItsWork(container);
         });
}

std::string Looks(const Container& container) {
  const bool running = container.state == ContainerState::kRunning;
  return std::string(running ? ToString(container.health) : ToString(container.state));
}

}  // namespace

Facts Mender::GatherFacts(const Live& live, const Seen& seen, const RungSpec& rung,
                          const Container* chosen, const Moment& now) const {
  const std::vector<Container>* siblings = &seen.containers;
  for (const auto& [place, found] : seen.dependants) {
    const bool is_one =
        chosen != nullptr && std::any_of(found.begin(), found.end(),
                                         [&](const Container& c) { return c.id == chosen->id; });
    if (is_one) siblings = &found;
  }
  const Action& action = *deps_.actions.at(std::string(KindOf(rung.action)));
  Facts facts{.now = now,
              .config = *live.config,
              .repair = *live.repair,
              .rung = rung,
              .incident = live.incident,
              .subject = live.subject,
              .action = action.traits(),
              .history = history_,
              .containers = *siblings};
  facts.chosen = chosen;
  facts.mode = ModeOf(live);
  facts.kill_switch = seen.kill_switch;
  facts.look_error = seen.error;
  facts.calls_under_way = calls_under_way_;
  if (boot_hold_until_) {
    facts.boot_hold = std::chrono::ceil<Millis>(*boot_hold_until_ - now.boot);
  }
  std::vector<std::string> intervals = live.config->guards.mute_time_intervals;
  const std::vector<std::string>& own = live.repair->guards.mute_time_intervals;
  intervals.insert(intervals.end(), own.begin(), own.end());
  for (const std::string& interval : intervals) {
    if (deps_.quiet.InTimeInterval(interval, now)) facts.maintenance = interval;
  }
  for (const Trigger& trigger : live.incident.triggers) {
    if (trigger.resolved) continue;
    facts.quiet = deps_.quiet.Why(trigger.labels, now);
    if (!facts.quiet) break;
  }
  AskEvents(live, facts);
  facts.cut_off = seen.cut_off;
  facts.verified_well = seen.verified_well;
  facts.dependency = live.dependency;
  facts.beginnings = Beginnings(live, now);
  if (deps_.backups != nullptr) facts.backups = deps_.backups->Running();
  if (now.boot < storm_until_) {
    facts.storm = Facts::Against{storm_, std::chrono::ceil<Millis>(storm_until_ - now.boot)};
  }
  if (chosen != nullptr) {
    facts.own_part = deps_.own.Why(*chosen);
    facts.intent = intent_.Why(*chosen, LeftDownByUs(live, *chosen), now);
    facts.busy_with = BusyWith(live, *chosen);
    facts.ours_is_running = StartedByUs(live, *chosen);
  }
  return facts;
}

// What people and pipelines have said.
void Mender::AskEvents(const Live& live, Facts& facts) const {
  if (deps_.course == nullptr) return;
  const Time now = facts.now.wall;
  std::string service;
  if (live.subject.HasContainers()) service = dependencies_.PlaceOfSubject(live.subject).service;
  if (deps_.course(EventKind::kMaintenance, service, now).under_way && !facts.maintenance) {
    facts.maintenance = "maintenance, as an event has said";
  }
  const Millis wait = std::max(live.config->guards.after_deploy, live.repair->guards.after_deploy);
  if (wait <= Millis(0)) return;
  const Events::Course deploy = deps_.course(EventKind::kDeploy, service, now);
  if (deploy.under_way) {
    facts.deploy = Facts::Against{"a deploy is under way", Millis(5'000)};
  } else if (deploy.ended != Time{} && now - deploy.ended < wait) {
    const Millis left = std::chrono::ceil<Millis>(wait - (now - deploy.ended));
    facts.deploy = Facts::Against{
        fmt::format("a deploy has just ended, and repairs wait {}", FormatDuration(wait)), left};
  }
}

// --- what it needs ---------------------------------------------------------------------------

void Mender::NoteDependencies(Live& live, const Seen& seen, const Moment& now) const {
  live.dependency.reset();
  for (const auto& [place, containers] : seen.needed) {
    std::string why;
    if (IsDown(containers)) {
      why = "is " + Looks(containers.front());
    } else if (const Live* other = AtWorkOn(place)) {
      why = "is being repaired by " + other->incident.repair;
    }
    if (why.empty()) continue;
    live.dependency_down_at = now.boot;
    live.dependency =
        Facts::Against{fmt::format("{}, which it needs, {}: that comes first", place.Name(), why),
                       kDependencyAgain};
    return;
  }
  if (!live.dependency_down_at) return;
  const Micros left = kAfterDependency - (now.boot - *live.dependency_down_at);
  if (left <= Micros(0)) {
    live.dependency_down_at.reset();
    return;
  }
  live.dependency = Facts::Against{"what it needs has just come back, and it may recover by itself",
                                   std::chrono::ceil<Millis>(left)};
}

// An open repair of that place that does something about it, or is about to.
const Mender::Live* Mender::AtWorkOn(const Place& place) const {
  for (const auto& [id, other] : incidents_) {
    const Incident& incident = other->incident;
    if (!other->subject.HasContainers() || ModeOf(*other) < Mode::kApprove) continue;
    const bool waits = incident.state == IncidentState::kSuppressed &&
                       (incident.reason == "cooldown" || incident.reason == "backoff" ||
                        incident.reason == "approval" || incident.reason == kReasonConcurrent);
    const bool works =
        incident.state == IncidentState::kEligible || incident.state == IncidentState::kActing ||
        incident.state == IncidentState::kVerifying || incident.state == IncidentState::kHolding;
    if ((works || waits) && dependencies_.PlaceOfSubject(other->subject) == place) {
      return other.get();
    }
  }
  return nullptr;
}

// --- storms ----------------------------------------------------------------------------------

void Mender::NoteStorm(const Moment& now) {
  const std::optional<StormSpec>& storm = config_->guards.storm;
  if (!storm) {
    storm_until_ = {};
    return;
  }
  const std::set<Place> ill = FellIll(storm->window, now);
  const std::size_t known = KnownTargets();
  if (ill.size() < kStormMin ||
      static_cast<double>(ill.size()) <= storm->share * static_cast<double>(known)) {
    return;
  }
  storm_until_ = now.boot + storm->cooldown;
  storm_ = fmt::format("{} of {} targets fell ill within {}: that is no matter of single repairs",
                       ill.size(), known, FormatDuration(storm->window));
}

// Without those that only suffer from another of them.
std::set<Place> Mender::FellIll(Millis within, const Moment& now) const {
  std::set<Place> ill;
  for (const auto& [id, live] : incidents_) {
    const Incident& incident = live->incident;
    const bool over = incident.state == IncidentState::kHeld ||
                      incident.state == IncidentState::kEscalated || !incident.open();
    if (over || !live->subject.HasContainers() || !incident.HasLiveTrigger()) continue;
    if (now.boot - live->detected <= within) {
      ill.insert(dependencies_.PlaceOfSubject(live->subject));
    }
  }
  std::set<Place> roots;
  for (const Place& place : ill) {
    const std::vector<Place> above = dependencies_.Above(place);
    const bool suffers = std::any_of(above.begin(), above.end(),
                                     [&](const Place& parent) { return ill.contains(parent); });
    if (!suffers) roots.insert(place);
  }
  return roots;
}

std::size_t Mender::KnownTargets() const {
  std::set<Place> places;
  for (const TargetSpec& target : config_->targets) {
    if (target.label.empty()) {
      places.insert(dependencies_.PlaceOfSubject({target.name, target, ""}));
      continue;
    }
    const auto known = inventory_.find(target.connection);
    if (known == inventory_.end()) continue;
    for (const Container& container : known->second) {
      if (LabelSaysYes(container, target.label)) {
        places.insert(PlaceOf(target.connection, container));
      }
    }
  }
  return places.size();
}

// --- flapping --------------------------------------------------------------------------------

void Mender::NoteBeginning(const Incident& incident, const Moment& now) {
  if (flaps_.size() >= kMendedMax) flaps_.erase(flaps_.begin());
  std::deque<BootTime>& beginnings =
      flaps_[IncidentKey(incident.repair, incident.target)].beginnings;
  beginnings.push_back(now.boot);
  if (beginnings.size() > Incident::kAttemptsMax) beginnings.pop_front();
}

int Mender::Beginnings(const Live& live, const Moment& now) const {
  const std::optional<Window>& flapping = live.repair->guards.flapping;
  const auto found = flaps_.find(IncidentKey(live.incident.repair, live.incident.target));
  if (!flapping || found == flaps_.end()) return 0;
  const std::deque<BootTime>& beginnings = found->second.beginnings;
  return static_cast<int>(std::count_if(beginnings.begin(), beginnings.end(), [&](BootTime at) {
    return now.boot - at <= flapping->span;
  }));
}

}  // namespace fettle::receivers
