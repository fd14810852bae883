// What is stored, kept and proven, as metrics.
#include <algorithm>
#include <utility>

#include "receivers/backups/kept.h"
#include "receivers/backups/size_anomaly.h"

namespace fettle::receivers::backups {
namespace {

using enum MetricType;

// A family that points are added to.
struct Gauge {
  MetricFamily family;
  Gauge(const char* name, const char* help, MetricType type = kGauge)
      : family{name, help, type, {}} {}
  void Add(Labels labels, double value) { family.points.push_back({"", std::move(labels), value}); }
  void Add(const KeptView& job, double value) { Add({{"backup", job.name}}, value); }
};

struct StoredGauges {
  Gauge up{"fettle_backup_place_up", "1 if the place could be looked into."};
  Gauge looked{"fettle_backup_place_last_look_timestamp_seconds",
               "When the place was last looked into completely."};
  Gauge sets{"fettle_backups_stored", "Sets with a manifest."};
  Gauge bytes{"fettle_backups_stored_bytes", "What those sets take."};
  Gauge oldest{"fettle_backup_oldest_timestamp_seconds", "When the oldest set's run began."};
  Gauge newest{"fettle_backup_newest_timestamp_seconds", "When the newest good set's run began."};
  Gauge missing{"fettle_backup_missing_objects",
                "Objects that a manifest names and that are gone or have another size."};
  Gauge bad{"fettle_backup_bad_sets", "Sets that are not whole or were found broken."};
  Gauge held{"fettle_backup_held_sets", "Sets that a person holds."};
  Gauge orphans{"fettle_backup_orphan_objects", "Objects without a manifest."};
  Gauge orphan_bytes{"fettle_backup_orphan_bytes", "What those objects take."};
  Gauge deviation{"fettle_backup_last_size_deviation_ratio",
                  "The newest good set's size beside the median of those before it."};
  Gauge anomaly{"fettle_backup_size_anomaly", "1 if that is suspicious."};

  void Add(const KeptView& job, const KeptPlace& place) {
    const Labels labels{{"backup", job.name}, {"place", place.place}};
    if (place.looked == Time{} && place.sentence.empty()) return;  // not looked yet
    up.Add(labels, place.catalogue ? 1 : 0);
    if (place.looked != Time{}) looked.Add(labels, ToSeconds(place.looked));
    if (!place.catalogue) return;
    double size = 0;
    double gone = 0;
    double broken = 0;
    double kept = 0;
    std::optional<Time> newest_good;
    std::vector<double> good_sizes;
    for (const StoredSet& set : place.catalogue->sets) {
      const RetainedSet retained = ToRetain(set, place.place, job.proofs);
      size += static_cast<double>(set.manifest.SizeBytes());
      gone += static_cast<double>(set.missing.size());
      broken += retained.good ? 0 : 1;
      kept += set.held ? 1 : 0;
      if (!retained.good) continue;
      newest_good = set.manifest.started;
      good_sizes.push_back(static_cast<double>(set.manifest.SizeBytes()));
    }
    if (const auto verdict = JudgeSize(good_sizes, job.max_shrink)) {
      deviation.Add(labels, verdict->deviation_ratio);
      for (const auto& [direction, is] :
           {std::pair("low", verdict->low), std::pair("high", verdict->high)}) {
        Labels by_direction = labels;
        by_direction.Set("direction", direction);
        anomaly.Add(by_direction, is ? 1 : 0);
      }
    }
    sets.Add(labels, static_cast<double>(place.catalogue->sets.size()));
    bytes.Add(labels, size);
    missing.Add(labels, gone);
    bad.Add(labels, broken);
    held.Add(labels, kept);
    if (!place.catalogue->sets.empty()) {
      oldest.Add(labels, ToSeconds(place.catalogue->sets.front().manifest.started));
    }
    if (newest_good) newest.Add(labels, ToSeconds(*newest_good));
    double objects = 0;
    double stray = 0;
    for (const auto& [run, one] : place.catalogue->orphans) {
      objects += static_cast<double>(one.objects);
      stray += static_cast<double>(one.bytes);
    }
    orphans.Add(labels, objects);
    orphan_bytes.Add(labels, stray);
  }
};

struct RetentionGauges {
  Gauge expected{"fettle_retention_slots_expected", "Sets that the rule wants."};
  Gauge filled{"fettle_retention_slots_filled", "Sets that it has."};
  Gauge compliant{"fettle_retention_compliant", "1 if the rule has all the sets that it wants."};
  Gauge planned{"fettle_retention_removals_planned", "Sets that no rule keeps."};
  Gauge blocked{"fettle_retention_blocked", "1 for why nothing is removed now.", kStateSet};
  Gauge retained{"fettle_retention_retained_sets",
                 "Sets that could not be removed: they are locked, or the keys may not."};

  void Add(const KeptView& job, const KeptPlace& place) {
    if (!place.catalogue || place.plan.blocked == Blocked::kNoPolicy) return;
    const Labels labels{{"backup", job.name}, {"place", place.place}};
    for (const RetentionSlots& slots : place.plan.slots) {
      Labels by_rule = labels;
      by_rule.Set("rule", slots.rule);
      expected.Add(by_rule, slots.expected);
      filled.Add(by_rule, slots.filled);
      compliant.Add(by_rule, slots.filled >= slots.expected ? 1 : 0);
    }
    planned.Add(labels, static_cast<double>(place.plan.Removals().size()));
    retained.Add(labels, static_cast<double>(place.retained.size()));
    for (const Blocked reason :
         {Blocked::kNone, Blocked::kDryRun, Blocked::kListing, Blocked::kClock, Blocked::kNoSuccess,
          Blocked::kDrill, Blocked::kBreaker}) {
      Labels by_reason = labels;
      by_reason.Set("reason", ToString(reason));
      blocked.Add(by_reason, place.plan.blocked == reason ? 1 : 0);
    }
  }
};

struct DrillGauges {
  Gauge restorable{"fettle_restorable",
                   "1 if the newest drill passed on a set that is young enough, and the newest set "
                   "was decoded."};
  Gauge success{"fettle_restore_drill_last_success_timestamp_seconds",
                "When the newest drill that passed ended."};
  Gauge ended{"fettle_restore_drill_last_end_timestamp_seconds", "When the newest drill ended."};
  Gauge next{"fettle_restore_drill_next_timestamp_seconds", "The next drill."};
  Gauge runs{"fettle_restore_drill_runs_total", "Drills, by how they ended.", kCounter};
  Gauge state{"fettle_restore_drill_result", "1 for how the newest drill ended.", kStateSet};
  Gauge rto{"fettle_restore_drill_rto_seconds", "What the newest drill that was decided took."};
  Gauge rpo{"fettle_restore_drill_rpo_seconds",
            "What would have been lost at the newest drill: its time less what came back."};
  Gauge rto_objective{"fettle_restore_rto_objective_seconds", "What it may take."};
  Gauge rpo_objective{"fettle_restore_rpo_objective_seconds", "What may be lost."};
  Gauge checks{"fettle_restore_drill_checks", "Checks of the newest drill."};

  void Add(const KeptView& job) {
    if (job.restorable) restorable.Add(job, *job.restorable ? 1 : 0);
    if (!job.drill) return;
    const auto with = [&](const char* label, std::string_view value) {
      Labels labels{{"backup", job.name}};
      labels.Set(label, value);
      return labels;
    };
    const DrillState& drill = *job.drill;
    if (job.next_drill) next.Add(job, ToSeconds(*job.next_drill));
    if (job.rto) rto_objective.Add(job, ToSeconds(*job.rto));
    if (job.rpo) rpo_objective.Add(job, ToSeconds(*job.rpo));
    for (const DrillResult result : kDrillResults) {
      const auto count = drill.runs.find(std::string(ToString(result)));
      runs.Add(with("result", ToString(result)), count == drill.runs.end() ? 0 : count->second);
    }
    if (drill.last_success != Time{}) success.Add(job, ToSeconds(drill.last_success));
    if (drill.last.ended == Time{}) return;
    ended.Add(job, ToSeconds(drill.last.ended));
    for (const DrillResult result : kDrillResults) {
      state.Add(with("result", ToString(result)), drill.last.result == result ? 1 : 0);
    }
    checks.Add(with("outcome", "pass"), drill.last.checks_passed);
    checks.Add(with("outcome", "fail"), drill.last.checks_failed);
    // What a drill that came to nothing took says nothing about a restore.
    if (drill.last.result != DrillResult::kSuccess) return;
    for (const auto& [phase, seconds] : drill.last.phases) rto.Add(with("phase", phase), seconds);
    rto.Add(with("phase", "total"), drill.last.TotalSeconds());
    if (drill.last.rpo_seconds) rpo.Add(job, *drill.last.rpo_seconds);
  }
};

}  // namespace

std::vector<MetricFamily> ShowKept(const std::vector<KeptView>& jobs) {
  StoredGauges stored;
  RetentionGauges retention;
  DrillGauges drills;
  for (const KeptView& job : jobs) {
    for (const KeptPlace& place : job.places) {
      stored.Add(job, place);
      retention.Add(job, place);
    }
    drills.Add(job);
  }
  std::vector<MetricFamily> families;
  for (Gauge* gauge : {&stored.up,
                       &stored.looked,
                       &stored.sets,
                       &stored.bytes,
                       &stored.oldest,
                       &stored.newest,
                       &stored.missing,
                       &stored.bad,
                       &stored.held,
                       &stored.orphans,
                       &stored.orphan_bytes,
                       &stored.deviation,
                       &stored.anomaly,
                       &retention.expected,
                       &retention.filled,
                       &retention.compliant,
                       &retention.planned,
                       &retention.blocked,
                       &retention.retained,
                       &drills.restorable,
                       &drills.success,
                       &drills.ended,
                       &drills.next,
                       &drills.runs,
                       &drills.state,
                       &drills.rto,
                       &drills.rpo,
                       &drills.rto_objective,
                       &drills.rpo_objective,
                       &drills.checks}) {
    families.push_back(std::move(gauge->family));
  }
  return families;
}

}  // namespace fettle::receivers::backups
