#include "receivers/backups/chores.h"

#include <algorithm>
#include <utility>

#include "common/duration.h"
#include "receivers/backups/drill.h"
#include "receivers/backups/prune.h"
#include "receivers/backups/run.h"
#include "receivers/backups/time_limit.h"

namespace fettle::receivers::backups {
namespace {

// Objects without a manifest are swept only when they are older than any run may be, and this.
constexpr Millis kOrphanAgeMin{24 * 3'600'000};
constexpr Millis kSkewMax{5 * 60'000};

// When a run began, by its name ("20261120T021503Z-k3x7qa"); nullopt for other names.
std::optional<Time> BeganAt(const std::string& run_id) {
  if (run_id.size() < 16 || run_id[8] != 'T' || run_id[15] != 'Z') return std::nullopt;
  const Result<Time> at = ParseRfc3339(fmt::format(
      "{}-{}-{}T{}:{}:{}Z", run_id.substr(0, 4), run_id.substr(4, 2), run_id.substr(6, 2),
      run_id.substr(9, 2), run_id.substr(11, 2), run_id.substr(13, 2)));
  return at ? std::optional(*at) : std::nullopt;
}

class Worker {
 public:
  Worker(const ChoreDeps& deps, const ChoreInput& input, const std::stop_token& stop)
      : deps_(deps), in_(input), stop_(stop) {}

  ChoreOutcome Do() {
    for (const Target& target : in_.spec.to) places_.push_back(deps_.open(target, stop_));
    Look();
    switch (in_.request.chore) {
      case Chore::kLook:
        out_.sentence = Seen();
        break;
      case Chore::kPrune:
        PruneAll();
        break;
      case Chore::kVerify:
        Verify();
        break;
      case Chore::kHold:
      case Chore::kRelease:
        Hold();
        break;
      case Chore::kDrill:
        Drill();
        break;
    }
    Plan();
    return std::move(out_);
  }

 private:
  void Look() {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      KeptPlace kept{.place = places_[i]->Place()};
      const Catalogue none;
      const bool known = i < in_.known.size() && in_.known[i] != nullptr;
      Result<Catalogue> seen = ReadCatalogue(*places_[i], known ? *in_.known[i] : none);
      if (seen) {
        seen->orphans.erase(in_.facts.running);
        kept.catalogue = std::make_shared<const Catalogue>(*std::move(seen));
        kept.looked = in_.now.wall;
      } else {
        kept.sentence = seen.error().message;
      }
      out_.places.push_back(std::move(kept));
    }
  }

  Result<std::string> Seen() const {
    std::string sentence;
    for (const KeptPlace& place : out_.places) {
      if (!place.catalogue) return Fail("{}", place.sentence);
      sentence += fmt::format("{}{} holds {} sets", sentence.empty() ? "" : "; ", place.place,
                              place.catalogue->sets.size());
    }
    return sentence;
  }

  Proofs Known() const {
    Proofs all = in_.proofs;
    for (const auto& [run, proof] : out_.proofs) all[run] = proof;
    return all;
  }

  RetentionPlan PlanOf(std::size_t i, const std::vector<RetainedSet>& sets) const {
    const std::optional<Millis> skew = places_[i]->ClockSkew();
    RetentionFacts facts{.recent_success = in_.facts.recent_success,
                         .listing_complete = out_.places[i].catalogue != nullptr,
                         .clock_sane = in_.clock_sane,
                         .drill_failed = in_.drill_failed,
                         .approved = in_.request.approved};
    // The place's own clock is a better witness than ours alone.
    if (skew) facts.clock_sane = std::chrono::abs(*skew) <= kSkewMax;
    if (!sets.empty() && in_.now.wall + kSkewMax < sets.back().at) facts.clock_sane = false;
    return PlanRetention(in_.now.wall, sets, in_.spec.retention, facts);
  }

  void Plan() {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (!out_.places[i].catalogue) continue;
      out_.places[i].plan = PlanOf(i, ToRetain(*out_.places[i].catalogue, Known()));
    }
  }

  void PruneAll() {
    std::string sentence;
    const auto say = [&](const std::string& what) {
      sentence += (sentence.empty() ? "" : "; ") + what;
    };
    std::optional<Error> failed;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      KeptPlace& place = out_.places[i];
      if (!place.catalogue) {
        failed = Error{place.sentence};
        continue;
      }
      const std::vector<RetainedSet> sets = ToRetain(*place.catalogue, Known());
      const RetentionPlan plan = PlanOf(i, sets);
      if (plan.blocked != Blocked::kNone) {
        say(fmt::format("{}: {} sets would be removed, but: {}", place.place,
                        plan.Removals().size(), ToString(plan.blocked)));
        continue;
      }
      SweepOrphans(i);
      const Result<PruneReport> pruned = Prune(*places_[i], sets, plan);
      if (!pruned) {
        failed = pruned.error();
        continue;
      }
      place.retained = pruned->retained;
      out_.removed.insert(out_.removed.end(), pruned->removed.begin(), pruned->removed.end());
      say(fmt::format("{}: {} sets removed, {} locked", place.place, pruned->removed.size(),
                      pruned->retained.size()));
      if (!pruned->removed.empty()) LookAgain(i);
    }
    if (failed) {
      out_.sentence = tl::unexpected(*failed);
    } else {
      out_.sentence = sentence;
    }
  }

  void LookAgain(std::size_t i) {
    Result<Catalogue> seen = ReadCatalogue(*places_[i], *out_.places[i].catalogue);
    if (!seen) return;
    seen->orphans.erase(in_.facts.running);
    out_.places[i].catalogue = std::make_shared<const Catalogue>(*std::move(seen));
  }

  // What a dead run left and nobody can use. Sets whose manifest cannot be read are left to people.
  void SweepOrphans(std::size_t i) {
    const Catalogue& catalogue = *out_.places[i].catalogue;
    const Time before = in_.now.wall - std::max(2 * in_.spec.max_runtime, kOrphanAgeMin);
    bool swept = false;
    for (const auto& [run, orphans] : catalogue.orphans) {
      const std::optional<Time> began = BeganAt(run);
      if (!began || *began > before || catalogue.unreadable.contains(run)) continue;
      const Result<std::vector<std::string>> keys = places_[i]->List(SetPrefix(run));
      if (!keys) continue;
      for (const std::string& key : *keys) {
        if (!places_[i]->Remove(key)) break;
      }
      deps_.log.Info("objects without a manifest were removed",
                     {{"run", run}, {"place", out_.places[i].place}});
      swept = true;
    }
    if (swept) LookAgain(i);
  }

  // The set that is meant at a place, or nullptr.
  const StoredSet* Choose(const KeptPlace& place) const {
    if (!place.catalogue) return nullptr;
    if (!in_.request.set.empty()) return place.catalogue->Find(in_.request.set);
    const Proofs proofs = Known();
    const auto& sets = place.catalogue->sets;
    const auto newest = std::find_if(sets.rbegin(), sets.rend(), [&](const StoredSet& set) {
      return ToRetain(set, place.place, proofs).good;
    });
    return newest == sets.rend() ? nullptr : &*newest;
  }

  tl::unexpected<Error> NoSet() const {
    for (const KeptPlace& place : out_.places) {
      if (!place.catalogue) return Fail(Cause::kUnavailable, "{}", place.sentence);
    }
    if (in_.request.set.empty()) return Fail(Cause::kNotFound, "there is no good set");
    return Fail(Cause::kNotFound, "there is no set {}", in_.request.set);
  }

  void Remember(std::size_t place, const std::string& run, int level, bool bad,
                const std::string& sentence) {
    const std::string key = ProofKey(out_.places[place].place, run);
    const auto before = in_.proofs.find(key);
    // A proof of less does not take away what was proven before.
    if (!bad && before != in_.proofs.end() && !before->second.bad) {
      level = std::max(level, before->second.level);
    }
    out_.proofs[key] = {level, bad, deps_.clock.Now().wall, sentence};
  }

  void Verify() {
    std::optional<SealKey> key;
    if (!in_.spec.seal_key.empty()) {
      Result<SealKey> read = SealKey::Read(in_.spec.seal_key);
      if (read) key.emplace(*std::move(read));
    }
    std::string run;
    int lowest = in_.request.level;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const StoredSet* set = Choose(out_.places[i]);
      if (set == nullptr) continue;
      run = set->manifest.run_id;
      const Result<int> proven = ProveSet({*places_[i], key ? &*key : nullptr, stop_},
                                          ReadersOf(in_.spec.source, in_.spec.max_runtime),
                                          set->manifest, in_.request.level);
      if (!proven) {
        // Only what was read and is wrong makes a set bad; a place that is away does not.
        const Cause cause = proven.error().cause;
        if (cause == Cause::kInvalid || cause == Cause::kNotFound) {
          Remember(i, run, 0, true, proven.error().message);
        }
        out_.sentence = tl::unexpected(proven.error());
        return;
      }
      lowest = std::min(lowest, *proven);
      Remember(i, run, *proven, false, fmt::format("good to level {}", *proven));
    }
    if (run.empty()) {
      out_.sentence = NoSet();
    } else {
      out_.sentence = fmt::format("set {} is good to level {}", run, lowest);
    }
  }

  void Hold() {
    const bool hold = in_.request.chore == Chore::kHold;
    bool found = false;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const StoredSet* set = Choose(out_.places[i]);
      if (set == nullptr) continue;
      found = true;
      const std::string key = SetPrefix(set->manifest.run_id) + std::string(kHoldName);
      const Status done = hold ? places_[i]->PutNew(key, "{}\n") : places_[i]->Remove(key);
      if (!done && done.error().cause != Cause::kConflict) {
        out_.sentence = tl::unexpected(done.error());
        return;
      }
      out_.sentence = fmt::format("set {} is {}", set->manifest.run_id, hold ? "held" : "released");
    }
    if (!found) {
      out_.sentence = NoSet();
      return;
    }
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (out_.places[i].catalogue) LookAgain(i);
    }
  }

  void Drill() {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const StoredSet* set = Choose(out_.places[i]);
      if (set == nullptr) continue;
      const std::unique_ptr<Destination> wal =
          in_.spec.pitr ? deps_.open(in_.spec.pitr->wal, stop_) : nullptr;
      DrillReport report = RunDrill({*places_[i], deps_.clock, deps_.log, stop_, wal.get()},
                                    in_.spec, set->manifest);
      const bool good = report.result == DrillResult::kSuccess;
      if (report.result != DrillResult::kInconclusive && (good || report.blames_set)) {
        const int level = report.checks_passed > 0 ? kLevelChecked : kLevelRestored;
        Remember(i, report.run_id, good ? level : 0, !good, report.sentence);
      }
      if (report.result == DrillResult::kSuccess) {
        out_.sentence = report.sentence;
      } else {
        out_.sentence = Fail("{}", report.sentence);
      }
      out_.drill = std::move(report);
      return;
    }
    const tl::unexpected<Error> none = NoSet();
    out_.drill = DrillReport{.ended = deps_.clock.Now().wall, .sentence = none.value().message};
    // That there is nothing good to restore is a verdict; that nobody can look is none.
    if (none.value().cause == Cause::kNotFound) out_.drill->result = DrillResult::kFailed;
    out_.sentence = none;
  }

  const ChoreDeps& deps_;
  const ChoreInput& in_;
  const std::stop_token stop_;
  std::vector<std::unique_ptr<Destination>> places_;
  ChoreOutcome out_;
};

Millis LimitOf(const ChoreInput& input) {
  const bool drill = input.request.chore == Chore::kDrill && input.spec.drill;
  return drill ? input.spec.drill->timeout : input.spec.max_runtime;
}

}  // namespace

std::string_view ToString(Chore chore) {
  switch (chore) {
    case Chore::kLook:
      return "look";
    case Chore::kPrune:
      return "prune";
    case Chore::kVerify:
      return "verify";
    case Chore::kHold:
      return "hold";
    case Chore::kRelease:
      return "release";
    case Chore::kDrill:
      return "drill";
  }
  return "";
}

ChoreOutcome DoChore(const ChoreDeps& deps, const ChoreInput& input) {
  const TimeLimit limit(deps.stop, LimitOf(input));
  return Worker(deps, input, limit.token()).Do();
}

}  // namespace fettle::receivers::backups
