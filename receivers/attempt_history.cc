#include "receivers/attempt_history.h"

#include <algorithm>
#include <cmath>

namespace fettle::receivers {
namespace {

// How far a wall clock is doubted across a boot of the machine.
constexpr Micros kClockDoubt = std::chrono::hours(1);

// The least that can have passed since a moment noted by an earlier process. The boot clock knows,
// unless the machine has booted since; then at least its uptime has passed, and what the wall clock
// says less some doubt.
Micros PassedAtLeast(Time wall, BootTime boot, const Moment& now) {
  if (boot <= now.boot) return now.boot - boot;
  const Micros by_wall = std::chrono::duration_cast<Micros>(now.wall - wall) - kClockDoubt;
  return std::max(now.boot.time_since_epoch(), by_wall);
}

}  // namespace

void AttemptHistory::Restore(const Attempt& attempt, const Moment& now) {
  if (attempt.state == AttemptState::kCancelled || attempt.kind == "escalate") return;
  const BootTime began = now.boot - PassedAtLeast(attempt.intent_at, attempt.intent_boot, now);
  Entry entry{attempt.id,   attempt.incident,  attempt.repair, attempt.target, attempt.instance,
              attempt.pass, attempt.intent_at, began,          std::nullopt,   std::nullopt};
  const auto later = [&](Time at) {
    return std::min(now.boot, began + std::chrono::duration_cast<Micros>(
                                          std::max(Millis(0), at - attempt.intent_at)));
  };
  if (attempt.ended_at != Time{}) entry.ended = later(attempt.ended_at);
  if (attempt.verified == true) entry.verified = later(attempt.verified_at);
  Insert(std::move(entry));
}

void AttemptHistory::Begin(const Attempt& attempt, const Moment& now) {
  if (attempt.kind == "escalate") return;
  Insert({attempt.id, attempt.incident, attempt.repair, attempt.target, attempt.instance,
          attempt.pass, attempt.intent_at, now.boot, std::nullopt, std::nullopt});
}

void AttemptHistory::End(const Attempt& attempt, const Moment& now) {
  if (Entry* entry = Find(attempt)) entry->ended = now.boot;
}

void AttemptHistory::Verified(const Attempt& attempt, const Moment& now) {
  if (Entry* entry = Find(attempt)) entry->verified = now.boot;
}

void AttemptHistory::Cancel(const Attempt& attempt) {
  const auto found = by_target_.find({attempt.repair, attempt.target});
  if (found == by_target_.end()) return;
  std::vector<Entry>& entries = found->second;
  const auto entry = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& e) { return e.attempt == attempt.id; });
  if (entry == entries.end()) return;
  const auto at = std::lower_bound(all_.begin(), all_.end(), entry->began);
  if (at != all_.end()) all_.erase(at);
  entries.erase(entry);
}

int AttemptHistory::Count(std::string_view repair, std::string_view target,
                          std::string_view instance, Millis span, Time released_at,
                          const Moment& now) const {
  const std::vector<Entry>* entries = Of(repair, target);
  if (entries == nullptr) return 0;
  return static_cast<int>(std::count_if(entries->begin(), entries->end(), [&](const Entry& e) {
    return e.instance == instance && e.began > now.boot - span && e.at >= released_at;
  }));
}

int AttemptHistory::CountAll(Millis span, const Moment& now) const {
  const auto first = std::upper_bound(all_.begin(), all_.end(), now.boot - span);
  return static_cast<int>(all_.end() - first);
}

Millis AttemptHistory::UntilOneLeaves(std::string_view repair, std::string_view target,
                                      std::string_view instance, Millis span, Time released_at,
                                      const Moment& now) const {
  const std::vector<Entry>* entries = Of(repair, target);
  if (entries != nullptr) {
    for (const Entry& e : *entries) {
      if (e.instance != instance || e.began <= now.boot - span || e.at < released_at) continue;
      return std::chrono::ceil<Millis>(e.began + span - now.boot);
    }
  }
  return Millis(0);
}

Millis AttemptHistory::UntilOneLeaves(Millis span, const Moment& now) const {
  const auto first = std::upper_bound(all_.begin(), all_.end(), now.boot - span);
  return first == all_.end() ? Millis(0) : std::chrono::ceil<Millis>(*first + span - now.boot);
}

const AttemptHistory::Entry* AttemptHistory::Last(std::string_view repair, std::string_view target,
                                                  Time released_at) const {
  const std::vector<Entry>* entries = Of(repair, target);
  if (entries == nullptr || entries->empty() || entries->back().at < released_at) return nullptr;
  return &entries->back();
}

int AttemptHistory::Strikes(std::string_view repair, std::string_view target, Time released_at,
                            const Moment& now) const {
  const std::vector<Entry>* entries = Of(repair, target);
  if (entries == nullptr) return 0;
  int strikes = 0;
  const Entry* previous = nullptr;
  for (const Entry& entry : *entries) {
    if (entry.at < released_at) continue;
    const bool same_pass =
        previous != nullptr && previous->incident == entry.incident && previous->pass == entry.pass;
    if (previous != nullptr && previous->verified &&
        entry.began - *previous->verified >= kResetAfter) {
      strikes = 0;
    }
    if (!same_pass) ++strikes;
    previous = &entry;
  }
  if (previous != nullptr && previous->verified && now.boot - *previous->verified >= kResetAfter) {
    return 0;
  }
  return strikes;
}

Millis AttemptHistory::Backoff(int strikes, std::string_view attempt_id) {
  if (strikes <= 0) return Millis(0);
  const double factor = std::exp2(std::min(strikes - 1, 20));
  const double wait = std::min(static_cast<double>(kBackoffBase.count()) * factor,
                               static_cast<double>(kBackoffMax.count()));
  const std::uint64_t number = Labels{{"attempt", std::string(attempt_id)}}.Fingerprint();
  const double jitter = 0.8 + 0.4 * static_cast<double>(number >> 11) * 0x1.0p-53;
  return Millis(std::llround(wait * jitter));
}

void AttemptHistory::Forget(const Moment& now) {
  const BootTime oldest = now.boot - std::max(kWindowSpanMax, Millis(2 * kResetAfter));
  while (!all_.empty() && (all_.front() < oldest || all_.size() > kEntriesMax)) all_.pop_front();
  for (auto it = by_target_.begin(); it != by_target_.end();) {
    std::erase_if(it->second, [&](const Entry& e) {
      return e.began < oldest || (!all_.empty() && e.began < all_.front());
    });
    it = it->second.empty() ? by_target_.erase(it) : std::next(it);
  }
}

const std::vector<AttemptHistory::Entry>* AttemptHistory::Of(std::string_view repair,
                                                             std::string_view target) const {
  const auto found = by_target_.find({std::string(repair), std::string(target)});
  return found == by_target_.end() ? nullptr : &found->second;
}

AttemptHistory::Entry* AttemptHistory::Find(const Attempt& attempt) {
  const auto found = by_target_.find({attempt.repair, attempt.target});
  if (found == by_target_.end()) return nullptr;
  for (Entry& entry : found->second) {
    if (entry.attempt == attempt.id) return &entry;
  }
  return nullptr;
}

void AttemptHistory::Insert(Entry entry) {
  all_.insert(std::upper_bound(all_.begin(), all_.end(), entry.began), entry.began);
  std::vector<Entry>& entries = by_target_[{entry.repair, entry.target}];
  const auto at = std::upper_bound(entries.begin(), entries.end(), entry.began,
                                   [](BootTime began, const Entry& e) { return began < e.began; });
  entries.insert(at, std::move(entry));
}

}  // namespace fettle::receivers
