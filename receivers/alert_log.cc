#include "receivers/alert_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <string>
#include <utility>

namespace fettle::receivers {
namespace {

constexpr const char* kPostings = "alerts";
constexpr const char* kBucket = "alerts_live";

std::string SequenceId(std::uint64_t sequence) { return fmt::format("{:016x}", sequence); }

RecordQuery AllOf(const char* kind) {
  RecordQuery query;
  query.kind = kind;
  return query;
}

// "owner." or "".
std::string OwnerOf(const std::string& id) { return id.substr(0, id.rfind('.') + 1); }

std::uint64_t SequenceOf(const std::string& id) {
  std::uint64_t sequence = 0;
  std::from_chars(id.data() + OwnerOf(id).size(), id.data() + id.size(), sequence, 16);
  return sequence;
}

// The posting as one or more record bodies. Escapes can make JSON six times longer than the text,
// and the store takes bodies up to 16 MiB.
std::vector<std::string> Bodies(const Posting& posting) {
  std::vector<std::string> bodies;
  Posting part{posting.source, posting.at, posting.lapsed, {}};
  std::size_t bytes = 0;
  for (const LiveAlert& alert : posting.alerts) {
    part.alerts.push_back(alert);
    bytes += AlertBytes(alert.alert);
    if (bytes < AlertLog::kRecordBytesMax) continue;
    bodies.push_back(EncodePosting(part));
    part.alerts.clear();
    bytes = 0;
  }
  if (!part.alerts.empty() || bodies.empty()) bodies.push_back(EncodePosting(part));
  return bodies;
}

}  // namespace

AlertLog::AlertLog(Deps deps)
    : deps_(std::move(deps)),
      folds_(deps_.metrics.Counter("fettle_alerts_folds_total",
                                   "Rounds that folded stored postings of alerts into buckets.",
                                   {{"result", "success"}})),
      folds_failed_(deps_.metrics.Counter(
          "fettle_alerts_folds_total", "Rounds that folded stored postings of alerts into buckets.",
          {{"result", "failed"}})) {}

void AlertLog::Append(std::shared_ptr<const Posting> posting, Store::Then then) {
  std::vector<std::string> bodies = Bodies(*posting);
  std::size_t bytes = 0;
  for (const std::string& body : bodies) bytes += body.size();
  if (pending_bytes_.fetch_add(bytes) + bytes > kPendingBytesMax) {
    pending_bytes_.fetch_sub(bytes);
    then(Fail(Cause::kUnavailable, "{} bytes of alerts wait for the store already",
              kPendingBytesMax));
    return;
  }
  Arrived arrived{std::move(posting), {}};
  Batch batch;
  const std::lock_guard lock(mutex_);
  const std::uint64_t first = next_sequence_;
  next_sequence_ += bodies.size();
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    arrived.records.push_back({first + i, bodies[i].size()});
    batch.writes.push_back({.record = {.kind = kPostings,
                                       .id = Own(SequenceId(first + i)),
                                       .key = {},
                                       .version = 0,
                                       .due_at = std::nullopt,
                                       .body = std::move(bodies[i])},
                            .expected = 0});
  }
  deps_.store.Commit(std::move(batch), [this, first, bytes, arrived = std::move(arrived),
                                        then = std::move(then)](Status status) mutable {
    pending_bytes_.fetch_sub(bytes);
    if (!status) arrived.posting.reset();
    // First the brain, then the sender: whoever asks after the answer finds the alerts.
    deps_.brain.Finish([this, first, arrived = std::move(arrived)](const Moment& now) mutable {
      Arrive(first, std::move(arrived), now);
    });
    then(std::move(status));
  });
}

void AlertLog::Arrive(std::uint64_t first, Arrived arrived, const Moment& now) {
  arrived_.emplace(first, std::move(arrived));
  while (!arrived_.empty() && arrived_.begin()->first == next_to_fold_) {
    const Arrived next = std::move(arrived_.begin()->second);
    arrived_.erase(arrived_.begin());
    next_to_fold_ += next.records.size();
    if (next.posting == nullptr) continue;
    for (const Kept& record : next.records) {
      kept_.push_back(record);
      kept_bytes_ += record.bytes;
    }
    deps_.fold(*next.posting, now);
  }
  FoldIfHeavy(now);
}

Result<AlertLog::Restored> AlertLog::Restore() {
  Restored restored;
  std::map<std::string, std::vector<std::uint64_t>> through_of;  // by owner
  const std::string own = Own("");
  const Result<std::vector<Record>> buckets = deps_.store.Read(AllOf(kBucket));
  if (!buckets) return While("restoring alerts", buckets.error());
  for (const Record& record : *buckets) {
    Result<DecodedLive> live = DecodeLive(record.body);
    if (!live) return While("restoring alerts, bucket " + record.id, live.error());
    const auto bucket = static_cast<std::size_t>(SequenceOf(record.id)) % kBuckets;
    auto& through = through_of[OwnerOf(record.id)];
    through.resize(kBuckets, 0);
    through[bucket] = live->through;
    if (OwnerOf(record.id) == own) {
      bucket_stored_[bucket] = true;
      bucket_bytes_ += record.body.size();
      next_sequence_ = std::max(next_sequence_, live->through + 1);
    }
    std::move(live->alerts.begin(), live->alerts.end(), std::back_inserter(restored.live));
  }
  const Result<std::vector<Record>> postings = deps_.store.Read(AllOf(kPostings));
  if (!postings) return While("restoring alerts", postings.error());
  for (const Record& record : *postings) {
    Result<Posting> posting = DecodePosting(record.body);
    if (!posting) return While("restoring alerts, posting " + record.id, posting.error());
    const std::uint64_t sequence = SequenceOf(record.id);
    auto& through = through_of[OwnerOf(record.id)];
    through.resize(kBuckets, 0);
    if (OwnerOf(record.id) == own) {
      kept_.push_back({sequence, record.body.size()});
      kept_bytes_ += record.body.size();
      next_sequence_ = std::max(next_sequence_, sequence + 1);
    }
    std::erase_if(posting->alerts, [&](const LiveAlert& alert) {
      return sequence <= through[BucketOf(alert.fingerprint)];
    });
    restored.postings.push_back(*std::move(posting));
  }
  // Of several owners, in the order of their times.
  std::stable_sort(restored.postings.begin(), restored.postings.end(),
                   [](const Posting& a, const Posting& b) { return a.at < b.at; });
  next_to_fold_ = next_sequence_;
  return restored;
}

Result<std::optional<Posting>> AlertLog::Hear(const Record& record) {
  if (record.kind != kPostings) return std::optional<Posting>();
  Result<Posting> posting = DecodePosting(record.body);
  if (!posting) return While("hearing of alerts " + record.id, posting.error());
  return std::optional<Posting>(*std::move(posting));
}

void AlertLog::FoldIfHeavy(const Moment& now) {
  if (round_.running || now.boot < round_.not_before) return;
  const bool heavy = kept_bytes_ >= std::max(kFoldBytesMin, 2 * bucket_bytes_);
  if (!heavy && kept_.size() < kFoldRecordsMax) return;
  round_ = {.running = true, .through = next_to_fold_ - 1, .bytes = 0, .not_before = {}};
  FoldBucket(0);
}

void AlertLog::FoldBucket(unsigned bucket) {
  // Between two buckets other work of the brain has its turn, and later postings may be folded.
  Live live = deps_.bucket(bucket);
  if (live.empty() && !bucket_stored_[bucket]) {
    deps_.brain.Finish([this, bucket](const Moment& now) { Folded(bucket, 0, {}, now); });
    return;
  }
  const std::uint64_t through = next_to_fold_ - 1;
  const bool taken = deps_.hands.Do([this, bucket, through, live = std::move(live)] {
    std::string body = EncodeLive(through, live);
    const std::size_t bytes = body.size();
    Batch batch;
    batch.writes.push_back({.record = {.kind = kBucket,
                                       .id = Own(fmt::format("{:02x}", bucket)),
                                       .key = {},
                                       .version = 0,
                                       .due_at = std::nullopt,
                                       .body = std::move(body)},
                            .expected = Write::kAnyVersion});
    deps_.store.Commit(std::move(batch), [this, bucket, bytes](Status status) {
      deps_.brain.Finish([this, bucket, bytes, status = std::move(status)](const Moment& now) {
        if (status) bucket_stored_[bucket] = true;
        Folded(bucket, bytes, status, now);
      });
    });
  });
  if (!taken) {
    deps_.brain.Finish([this](const Moment& now) {
      EndRound(Fail(Cause::kUnavailable, "no hand is free to fold stored alerts"), now);
    });
  }
}

void AlertLog::Folded(unsigned bucket, std::size_t bytes, const Status& status, const Moment& now) {
  if (!status) return EndRound(status, now);
  round_.bytes += bytes;
  if (bucket + 1 < kBuckets) return FoldBucket(bucket + 1);
  EraseFolded();
}

void AlertLog::EraseFolded() {
  Batch batch;
  for (const Kept& record : kept_) {
    if (record.sequence > round_.through) break;
    batch.erasures.push_back({.kind = kPostings, .id = Own(SequenceId(record.sequence))});
  }
  deps_.store.Commit(std::move(batch), [this](Status status) {
    deps_.brain.Finish([this, status = std::move(status)](const Moment& now) {
      if (status) {
        while (!kept_.empty() && kept_.front().sequence <= round_.through) {
          kept_bytes_ -= kept_.front().bytes;
          kept_.pop_front();
        }
        bucket_bytes_ = round_.bytes;
      }
      EndRound(status, now);
    });
  });
}

void AlertLog::EndRound(const Status& status, const Moment& now) {
  round_.running = false;
  if (status) {
    folds_.Increment();
    return;
  }
  folds_failed_.Increment();
  round_.not_before = now.boot + kFoldRetry;
  deps_.log.Warn("could not fold stored alerts; trying again later",
                 {{"err", status.error().message}});
}

}  // namespace fettle::receivers
