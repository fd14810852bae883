#include "receivers/alerts.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace fettle::receivers {
namespace {

constexpr std::array kSourceNames = {"rules", "api", "webhook", "events"};

std::string Joined(const std::vector<std::string>& complaints) {
  return fmt::format("{}", fmt::join(complaints, "\n"));
}

// What the sender hears once the valid part is stored.
Status Verdict(Status stored, const std::string& complaints) {
  if (!stored || complaints.empty()) return stored;
  return tl::unexpected<Error>(Error{complaints, Cause::kInvalid});
}

}  // namespace

Alerts::Alerts(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(options),
      resolve_timeout_(options.defaults.resolve_timeout.count()),
      log_({.brain = deps_.brain,
            .hands = deps_.hands,
            .store = deps_.store,
            .metrics = deps_.metrics,
            .log = deps_.log,
            .owner = deps_.replica,
            .fold = [this](const Posting& posting, const Moment& now) { Fold(posting, now); },
            .bucket =
                [this](unsigned bucket) {
                  AlertLog::Live found;
                  const std::uint64_t first = std::uint64_t{bucket} << 56;
                  for (auto it = live_.lower_bound(first);
                       it != live_.end() && AlertLog::BucketOf(it->first) == bucket; ++it) {
                    found.push_back(it->second);
                  }
                  return found;
                }}),
      refused_(deps_.metrics.Counter("fettle_alerts_refused_total",
                                     "New alerts refused because too many are live already.")),
      collisions_(deps_.metrics.Counter(
          "fettle_alerts_collisions_total",
          "Alerts dropped because another one with the same fingerprint is live.")),
      live_gauge_(deps_.metrics.Gauge("fettle_alerts_live",
                                      "Alerts kept, firing or resolved and not yet forgotten.")) {
  for (std::size_t i = 0; i < kSourceNames.size(); ++i) {
    const Labels labels{{"source", kSourceNames[i]}};
    received_[i] = &deps_.metrics.Counter("fettle_alerts_received_total",
                                          "Valid alerts received, re-posts included.", labels);
    invalid_[i] = &deps_.metrics.Counter("fettle_alerts_invalid_total",
                                         "Alerts received and dropped as invalid.", labels);
  }
}

Alerts::~Alerts() {
  deps_.brain.Cancel(expiry_);
  deps_.brain.Cancel(garbage_);
}

Status Alerts::Restore(const Moment& now) {
  Result<AlertLog::Restored> restored = log_.Restore();
  if (!restored) return tl::unexpected<Error>(restored.error());
  for (LiveAlert& alert : restored->live) {
    // Several replicas may have kept what they believed: the last word counts.
    const Live other = Find(alert.fingerprint);
    const bool older =
        other != nullptr && (other->updated_at > alert.updated_at ||
                             (other->updated_at == alert.updated_at && other->lapsed));
    if (!older) Believe(std::move(alert), now);
  }
  for (Posting& posting : restored->postings) {
    for (LiveAlert& alert : posting.alerts) {
      if (posting.lapsed) {
        PutLapsed(alert, now);
      } else {
        Put(std::move(alert), now);
      }
    }
  }
  // Nobody could repeat an alert while we were down, so all senders get their time again. What had
  // ended before is stored as such (see Expire).
  const Time patience = now.wall + Millis(resolve_timeout_.load());
  for (auto& [fingerprint, live] : live_) {
    if (!live->leased() || live->alert.ends_at >= patience) continue;
    auto longer = std::make_shared<LiveAlert>(*live);
    longer->alert.ends_at = patience;
    longer->times_out = true;
    live = std::move(longer);
  }
  ends_.clear();
  for (const auto& [fingerprint, live] : live_) {
    if (!live->alert.ResolvedAt(now.wall)) ends_.emplace(live->alert.ends_at, fingerprint);
  }
  Wait(now);
  // What is resolved is kept for now: its end may not have been told.
  CollectGarbageLater(now);
  return {};
}

void Alerts::Subscribe(AlertConsumer& consumer, const Moment& now) {
  consumers_.push_back(&consumer);
  for (const auto& [fingerprint, live] : live_) consumer.Consider(*live, now);
}

void Alerts::Unsubscribe(AlertConsumer& consumer) { std::erase(consumers_, &consumer); }

void Alerts::Post(AlertBatch batch, Then then) {
  const auto source = static_cast<std::size_t>(batch.source);
  PostingDefaults defaults = options_.defaults;
  defaults.resolve_timeout = Millis(resolve_timeout_.load());
  Checked checked = CheckAlerts(std::move(batch), defaults, deps_.clock.Now().wall);
  const std::size_t size = checked.posting.alerts.size();
  received_[source]->Increment(static_cast<double>(size));
  invalid_[source]->Increment(static_cast<double>(checked.complaints.size()));
  std::string complaints = Joined(checked.complaints);
  if (size == 0) return then(Verdict({}, complaints));

  const std::size_t before = on_the_way_.fetch_add(size);
  if (live_count_.load() + before + size <= options_.alerts_max) {
    return Append(std::make_shared<const Posting>(std::move(checked.posting)),
                  std::move(complaints), std::move(then));
  }
  // Near the limit only the brain knows which of them are new.
  auto posting = std::make_shared<Posting>(std::move(checked.posting));
  const bool accepted = deps_.brain.Post([this, posting, complaints, then](const Moment& now) {
    StoreWhatFits(std::move(*posting), complaints, then, now);
  });
  if (accepted) return;
  on_the_way_.fetch_sub(size);
  then(Fail(Cause::kUnavailable, "too many requests are waiting for a decision"));
}

void Alerts::Hear(const Record& record, const Moment& now) {
  const Result<std::optional<Posting>> posting = AlertLog::Hear(record);
  if (!posting) {
    return deps_.log.Error("cannot read what another replica has stored",
                           {{"err", posting.error().message}});
  }
  if (!*posting) return;
  if (!(*posting)->lapsed) on_the_way_.fetch_add((*posting)->alerts.size());
  Fold(**posting, now);
}

void Alerts::StoreWhatFits(Posting posting, std::string complaints, Then then, const Moment& now) {
  const std::size_t asked = posting.alerts.size();
  if (live_.size() + asked > options_.alerts_max && now.boot >= forget_not_before_) {
    forget_not_before_ = now.boot + kForgetEvery;
    Forget(now);
  }
  std::size_t room = options_.alerts_max - std::min(options_.alerts_max, live_.size());
  std::erase_if(posting.alerts, [&](const LiveAlert& alert) {
    if (live_.contains(alert.fingerprint)) return false;
    if (room == 0) return true;
    --room;
    return false;
  });
  const std::size_t fitting = posting.alerts.size();
  on_the_way_.fetch_sub(asked - fitting);
  if (fitting < asked) {
    refused_.Increment(static_cast<double>(asked - fitting));
    then = [then, max = options_.alerts_max](Status status) {
      if (!status) return then(std::move(status));
      then(Fail(Cause::kLimit, "{} alerts are live already, new ones are refused", max));
    };
  }
  if (fitting == 0) return then({});
  Append(std::make_shared<const Posting>(std::move(posting)), std::move(complaints),
         std::move(then));
}

void Alerts::Append(std::shared_ptr<const Posting> posting, std::string complaints, Then then) {
  const std::size_t size = posting->alerts.size();
  log_.Append(std::move(posting), [this, size, complaints = std::move(complaints),
                                   then = std::move(then)](Status status) {
    // Folded ones leave the way in Fold().
    if (!status) on_the_way_.fetch_sub(size);
    then(Verdict(std::move(status), complaints));
  });
}

void Alerts::Fold(const Posting& posting, const Moment& now) {
  std::vector<Live> changed;
  for (const LiveAlert& alert : posting.alerts) {
    Live live = posting.lapsed ? PutLapsed(alert, now) : Put(alert, now);
    if (live != nullptr) changed.push_back(std::move(live));
  }
  Tell(changed, now);
  if (!posting.lapsed) on_the_way_.fetch_sub(posting.alerts.size());
  Wait(now);
}

Alerts::Live Alerts::Put(LiveAlert young, const Moment& now) {
  const Live old = Find(young.fingerprint);
  if (old == nullptr) return Believe(std::move(young), now);
  if (old->alert.labels != young.alert.labels) {
    collisions_.Increment();
    deps_.log.Warn(
        "dropped an alert whose fingerprint another one has",
        {{"labels", young.alert.labels.ToString()}, {"other", old->alert.labels.ToString()}});
    return nullptr;
  }
  ends_.erase({old->alert.ends_at, old->fingerprint});
  return Believe(Merge(*old, young), now);
}

Alerts::Live Alerts::PutLapsed(const LiveAlert& over, const Moment& now) {
  const Live old = Find(over.fingerprint);
  // Somebody repeated it while this was being stored: it did not run out.
  if (old == nullptr || !old->leased() || old->alert.ends_at != over.alert.ends_at) return nullptr;
  ends_.erase({old->alert.ends_at, old->fingerprint});
  LiveAlert ended = *old;
  ended.times_out = false;
  ended.lapsed = true;
  return Believe(std::move(ended), now);
}

Alerts::Live Alerts::Believe(LiveAlert alert, const Moment& now) {
  auto live = std::make_shared<const LiveAlert>(std::move(alert));
  const bool fresh = live_.insert_or_assign(live->fingerprint, live).second;
  if (fresh) index_.Add(live->fingerprint, live->alert.labels);
  if (!live->alert.ResolvedAt(now.wall)) ends_.emplace(live->alert.ends_at, live->fingerprint);
  Changed();
  return live;
}

void Alerts::Changed() {
  ++version_;
  live_count_.store(live_.size());
  live_gauge_.Set(static_cast<double>(live_.size()));
}

// One consumer after the other, so that who inhibits knows a whole posting before anybody acts.
void Alerts::Tell(const std::vector<Live>& changed, const Moment& now) {
  for (AlertConsumer* consumer : consumers_) {
    for (const Live& live : changed) consumer->Consider(*live, now);
  }
}

// An end is first stored, so that a restart neither forgets it nor waits for its sender again.
void Alerts::Expire(const Moment& now) {
  auto over = std::make_shared<Posting>();
  over->at = now.wall;
  over->lapsed = true;
  while (!ends_.empty() && ends_.begin()->first <= now.wall) {
    over->alerts.push_back(*live_.at(ends_.begin()->second));
    ends_.erase(ends_.begin());
  }
  if (!over->alerts.empty()) {
    log_.Append(over, [this, over](Status status) {
      if (status) return;
      deps_.log.Warn("could not store that alerts ended; trying again",
                     {{"alerts", over->alerts.size()}, {"err", status.error().message}});
      deps_.brain.Finish([this, over](const Moment& later) { ExpireLater(*over, later); });
    });
  }
  Wait(now);
}

void Alerts::ExpireLater(const Posting& posting, const Moment& now) {
  deps_.brain.Cancel(expiry_);
  for (const LiveAlert& alert : posting.alerts) {
    const Live live = Find(alert.fingerprint);
    if (live != nullptr && live->leased()) ends_.emplace(live->alert.ends_at, live->fingerprint);
  }
  expiry_ = deps_.brain.At(now.boot + kLookAgain, [this](const Moment& later) {
    expiry_ = {};
    Expire(later);
  });
}

void Alerts::Wait(const Moment& now) {
  if (ends_.empty()) return;
  const Millis until = std::clamp(ends_.begin()->first - now.wall, Millis(0), kLookAgain);
  const BootTime when = now.boot + until;
  if (expiry_ && expiry_.when <= when) return;
  deps_.brain.Cancel(expiry_);
  expiry_ = deps_.brain.At(when, [this](const Moment& t) {
    expiry_ = {};
    Expire(t);
  });
}

void Alerts::CollectGarbageLater(const Moment& now) {
  garbage_ = deps_.brain.At(now.boot + options_.gc_interval, [this](const Moment& later) {
    Forget(later);
    CollectGarbageLater(later);
  });
}

void Alerts::Forget(const Moment& now) {
  const std::size_t forgotten = std::erase_if(live_, [&](const auto& entry) {
    const auto& [fingerprint, live] = entry;
    return live->alert.ResolvedAt(now.wall) && !live->leased() &&
           std::none_of(consumers_.begin(), consumers_.end(),
                        [&](AlertConsumer* consumer) { return consumer->Needs(fingerprint); });
  });
  if (forgotten == 0) return;
  index_.Clear();
  for (const auto& [fingerprint, live] : live_) index_.Add(fingerprint, live->alert.labels);
  Changed();
}

std::shared_ptr<const AlertsSnapshot> Alerts::Snapshot() {
  if (snapshot_ != nullptr && snapshot_->version == version_) return snapshot_;
  auto fresh = std::make_shared<AlertsSnapshot>();
  fresh->version = version_;
  fresh->alerts.reserve(live_.size());
  for (const auto& [fingerprint, live] : live_) fresh->alerts.push_back(live);
  snapshot_ = std::move(fresh);
  return snapshot_;
}

std::optional<std::vector<Alerts::Live>> Alerts::Among(const Matchers& matchers) const {
  const auto fingerprints = index_.Among(matchers, kAmongMax);
  if (!fingerprints) return std::nullopt;
  std::vector<Live> found;
  for (const std::uint64_t fingerprint : *fingerprints) {
    if (Live live = Find(fingerprint); live != nullptr) found.push_back(std::move(live));
  }
  return found;
}

Result<std::shared_ptr<const AlertsSnapshot>> Alerts::Look(Millis timeout) {
  return deps_.brain.Call(timeout, [this](const Moment&) { return Snapshot(); });
}

std::shared_ptr<const LiveAlert> Alerts::Find(std::uint64_t fingerprint) const {
  const auto found = live_.find(fingerprint);
  return found == live_.end() ? nullptr : found->second;
}

}  // namespace fettle::receivers
