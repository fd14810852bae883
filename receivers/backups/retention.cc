#include "receivers/backups/retention.h"

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "common/check.h"
#include "common/digest.h"
#include "receivers/backups/complain.h"

namespace fettle::receivers::backups {
namespace {

cctz::civil_day DayOf(Time at, const cctz::time_zone& zone) {
  return cctz::civil_day(cctz::convert(at, zone));
}

// The Thursday of a week is in the year whose week it is (ISO 8601).
cctz::civil_day WeekOf(cctz::civil_day day) {
  return cctz::next_weekday(cctz::prev_weekday(day + 1, cctz::weekday::monday) - 1,
                            cctz::weekday::thursday);
}

struct Rule {
  const char* name;
  int count;
  std::function<cctz::civil_day(cctz::civil_day)> slot;
};

std::vector<Rule> RulesOf(const RetentionPolicy& policy) {
  return {{"daily", policy.daily, [](cctz::civil_day day) { return day; }},
          {"weekly", policy.weekly, WeekOf},
          {"monthly", policy.monthly,
           [](cctz::civil_day day) { return cctz::civil_day(cctz::civil_month(day)); }},
          {"yearly", policy.yearly,
           [](cctz::civil_day day) { return cctz::civil_day(cctz::civil_year(day)); }}};
}

// Oldest first; two of one moment by name, so that the plan does not depend on the list's order.
std::vector<RetainedSet> Sorted(std::vector<RetainedSet> sets) {
  std::sort(sets.begin(), sets.end(), [](const RetainedSet& a, const RetainedSet& b) {
    return std::pair(a.at, a.id) < std::pair(b.at, b.id);
  });
  return sets;
}

class Planner {
 public:
  Planner(Time now, std::vector<RetainedSet> sets, const RetentionPolicy& policy)
      : now_(now), sets_(Sorted(std::move(sets))), policy_(policy) {
    cctz::time_zone zone = cctz::utc_time_zone();
    if (policy.timezone == "Local") {
      zone = cctz::local_time_zone();
    } else if (policy.timezone != "UTC") {
      // The name was checked with the configuration.
      cctz::load_time_zone(policy.timezone, &zone);
    }
    for (const RetainedSet& set : sets_) days_.push_back(DayOf(set.at, zone));
  }

  RetentionPlan Plan() {
    KeepByRules();
    KeepByAge();
    KeepAlways();
    RetentionPlan plan;
    plan.slots = std::move(slots_);
    for (const RetainedSet& set : sets_) {
      const auto why = reasons_.find(set.id);
      const bool keep = why != reasons_.end();
      plan.decisions.push_back({set.id, keep,
                                keep       ? why->second
                                : set.good ? "no rule keeps it"
                                           : "not good"});
    }
    return plan;
  }

 private:
  void Keep(const RetainedSet& set, const std::string& reason) {
    std::string& all = reasons_[set.id];
    all += (all.empty() ? "" : ", ") + reason;
  }
  bool TooOld(const RetainedSet& set) const {
    return policy_.max_age && set.at < now_ - *policy_.max_age;
  }

  void KeepByRules() {
    if (policy_.keep_last > 0) {
      int filled = 0;
      for (auto set = sets_.rbegin(); set != sets_.rend() && filled < policy_.keep_last; ++set) {
        if (!set->good || TooOld(*set)) continue;
        Keep(*set, "keep_last");
        ++filled;
      }
      slots_.push_back({"keep_last", policy_.keep_last, filled});
    }
    for (const Rule& rule : RulesOf(policy_)) {
      if (rule.count <= 0) continue;
      std::set<cctz::civil_day> filled;
      for (std::size_t i = sets_.size(); i-- > 0;) {
        if (static_cast<int>(filled.size()) >= rule.count) break;
        if (!sets_[i].good || TooOld(sets_[i])) continue;
        // The newest of a slot comes first: it is the slot's last.
        if (filled.insert(rule.slot(days_[i])).second) Keep(sets_[i], rule.name);
      }
      slots_.push_back({rule.name, rule.count, static_cast<int>(filled.size())});
    }
  }

  void KeepByAge() {
    if (!policy_.max_age || policy_.HasRule()) return;
    for (const RetainedSet& set : sets_) {
      if (set.good && !TooOld(set)) Keep(set, "max_age");
    }
  }

  void KeepAlways() {
    std::optional<Time> newest_good;
    std::optional<Time> newest_restored;
    std::array<bool, 3> seen{};
    constexpr std::array kLevels = {1, 3, 5};
    for (auto set = sets_.rbegin(); set != sets_.rend(); ++set) {
      if (!set->good) continue;
      if (!newest_good) Keep(*set, "last good");
      newest_good = std::max(newest_good.value_or(set->at), set->at);
      for (std::size_t i = 0; i < kLevels.size(); ++i) {
        if (set->level < kLevels[i] || std::exchange(seen[i], true)) continue;
        Keep(*set, "newest of level " + std::to_string(kLevels[i]));
      }
      if (set->level >= 4 && !newest_restored) {
        newest_restored = set->at;
        Keep(*set, "newest restored");
      }
    }
    for (const RetainedSet& set : sets_) {
      if (set.held) Keep(set, "held");
      if (set.at > now_ - policy_.min_age) Keep(set, "min_age");
      if (newest_restored && set.good && set.at > *newest_restored) {
        Keep(set, "newer than the newest restored");
      }
      const bool superseded = newest_good && *newest_good > set.at;
      if (!set.good && !superseded) Keep(set, "no newer good one");
    }
  }

  const Time now_;
  const std::vector<RetainedSet> sets_;
  const RetentionPolicy& policy_;
  std::vector<cctz::civil_day> days_;  // of sets_
  std::map<std::string, std::string> reasons_;
  std::vector<RetentionSlots> slots_;
};

Blocked WhyNot(const std::vector<RetainedSet>& sets, const RetentionPolicy& policy,
               const RetentionFacts& facts, std::size_t removals, const std::string& hash) {
  if (!policy.Any()) return Blocked::kNoPolicy;
  if (!facts.listing_complete) return Blocked::kListing;
  if (!facts.clock_sane) return Blocked::kClock;
  if (facts.drill_failed) return Blocked::kDrill;
  if (!facts.recent_success) return Blocked::kNoSuccess;
  const bool too_many = removals > static_cast<std::size_t>(std::max(policy.delete_max, 0)) ||
                        (removals > 1 && static_cast<double>(removals) >
                                             policy.share_max * static_cast<double>(sets.size()));
  // A person's word for exactly this plan stands above both.
  if (facts.approved == hash && removals > 0) return Blocked::kNone;
  if (!policy.apply) return Blocked::kDryRun;
  if (too_many) return Blocked::kBreaker;
  return Blocked::kNone;
}

}  // namespace

RetentionPolicy ReadRetention(const yaml::Node& node, const std::string& timezone,
                              yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "receivers.backups.retention", complaints);
  RetentionPolicy policy;
  policy.keep_last = mapping.Get<int>("keep_last", 0);
  policy.daily = mapping.Get<int>("daily", 0);
  policy.weekly = mapping.Get<int>("weekly", 0);
  policy.monthly = mapping.Get<int>("monthly", 0);
  policy.yearly = mapping.Get<int>("yearly", 0);
  policy.max_age = mapping.Find<Millis>("max_age");
  policy.min_age = mapping.Get<Millis>("min_age", policy.min_age);
  policy.delete_max = mapping.Get<int>("delete_max", policy.delete_max);
  policy.share_max = mapping.Get<double>("share_max", policy.share_max);
  policy.apply = mapping.Get<bool>("apply", policy.apply);
  policy.timezone = mapping.Get<std::string>("timezone", timezone);
  for (const auto& [key, count] :
       {std::pair("keep_last", policy.keep_last), std::pair("daily", policy.daily),
        std::pair("weekly", policy.weekly), std::pair("monthly", policy.monthly),
        std::pair("yearly", policy.yearly), std::pair("delete_max", policy.delete_max)}) {
    if (count >= 0) continue;
    ComplainOf(mapping, key, fmt::format("{} must not be less than 0, as {}", key, count));
  }
  if (!policy.Any()) {
    mapping.Complain(node.place,
                     "no rule: one of keep_last, daily, weekly, monthly, yearly, max_age is "
                     "needed");
  }
  if (policy.max_age && *policy.max_age < policy.min_age) {
    ComplainOf(mapping, "max_age", "max_age is shorter than min_age");
  }
  if (policy.share_max <= 0 || policy.share_max > 1) {
    ComplainOf(
        mapping, "share_max",
        fmt::format("share_max must be more than 0 and at most 1, not {}", policy.share_max));
  }
  cctz::time_zone zone;
  if (policy.timezone != "Local" && !cctz::load_time_zone(policy.timezone, &zone)) {
    ComplainOf(mapping, "timezone", "unknown time zone " + yaml::Shown(policy.timezone));
  }
  return policy;
}

std::string_view ToString(Blocked blocked) {
  switch (blocked) {
    case Blocked::kNone:
      return "none";
    case Blocked::kNoPolicy:
      return "no_policy";
    case Blocked::kDryRun:
      return "dry_run";
    case Blocked::kListing:
      return "listing";
    case Blocked::kClock:
      return "clock";
    case Blocked::kNoSuccess:
      return "no_success";
    case Blocked::kDrill:
      return "drill";
    case Blocked::kBreaker:
      return "breaker";
  }
  return "";
}

std::vector<std::string> RetentionPlan::Removals() const {
  std::vector<std::string> ids;
  for (const RetentionDecision& decision : decisions) {
    if (!decision.keep) ids.push_back(decision.id);
  }
  return ids;
}

std::string LastGood(const std::vector<RetainedSet>& sets) {
  const RetainedSet* last = nullptr;
  for (const RetainedSet& set : sets) {
    const bool newer = last == nullptr || std::pair(set.at, set.id) > std::pair(last->at, last->id);
    if (set.good && newer) last = &set;
  }
  return last == nullptr ? "" : last->id;
}

RetentionPlan PlanRetention(Time now, const std::vector<RetainedSet>& sets,
                            const RetentionPolicy& policy, const RetentionFacts& facts) {
  RetentionPlan plan = Planner(now, sets, policy).Plan();
  const std::string last = LastGood(sets);
  if (!policy.Any()) {
    for (RetentionDecision& decision : plan.decisions) {
      if (!decision.keep) decision = {decision.id, true, "no policy"};
    }
  }
  std::string removed;
  for (const std::string& id : plan.Removals()) {
    FETTLE_CHECK(id != last);  // the one thing that must never happen
    removed += id + "\n";
  }
  if (!removed.empty()) plan.hash = Hex(Sha256(removed)).substr(0, 12);
  plan.blocked = WhyNot(sets, policy, facts, plan.Removals().size(), plan.hash);
  return plan;
}

}  // namespace fettle::receivers::backups
