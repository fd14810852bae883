// Keeps postings of alerts in the store: one record a POST, folded into buckets in the background.
//
// Records of kind "alerts" (id: a sequence number) are the postings; "alerts_live" (id: 00 to ff,
// the fingerprint's top bits) hold what was believed of each bucket after a number of them. When
// the postings outweigh the buckets, the buckets are written again one by one, each a small
// transaction of its own, and then the folded postings are erased. Whatever is read back is
// (bucket, postings after the bucket's number), so a crash between any two steps loses nothing.
//
// Where replicas share the store, each keeps postings and buckets of its own (their ids begin with
// its name and a dot); a restart reads them all, and others' postings are folded as they are heard
// of.
//
// Append() is safe from any thread; everything else belongs to the brain.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/brain.h"
#include "common/hands.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/store.h"
#include "receivers/posting.h"

namespace fettle::receivers {

class AlertLog {
 public:
  using Live = std::vector<std::shared_ptr<const LiveAlert>>;
  static constexpr unsigned kBuckets = 256;
  // Postings are refused (kUnavailable) while this much waits for the disk.
  static constexpr std::size_t kPendingBytesMax = 128 * 1024 * 1024;
  // A posting larger than this is stored as several records of one transaction.
  static constexpr std::size_t kRecordBytesMax = 1024 * 1024;
  // Fold when the postings weigh twice the buckets, but neither sooner nor later than these.
  static constexpr std::size_t kFoldBytesMin = 4 * 1024 * 1024;
  static constexpr std::size_t kFoldRecordsMax = 20'000;
  static constexpr Millis kFoldRetry{60'000};

  struct Deps {
    Brain& brain;
    Hands& hands;
    Store& store;
    Metrics& metrics;
    Log log;
    // This replica, where several share the store.
    std::string owner = {};
    // On the brain, once for each stored posting, in the order of the sequence.
    std::function<void(const Posting&, const Moment&)> fold;
    // On the brain: what is believed now of one bucket.
    std::function<Live(unsigned bucket)> bucket;
  };
  explicit AlertLog(Deps deps);

  static unsigned BucketOf(std::uint64_t fingerprint) {
    return static_cast<unsigned>(fingerprint >> 56);
  }

  // Stores the posting and then folds it on the brain; `then` runs once, on some thread.
  void Append(std::shared_ptr<const Posting> posting, Store::Then then);

  // The posting in a record that another replica has written, if it is one.
  static Result<std::optional<Posting>> Hear(const Record& record);

  // What was stored, in order: first buckets, then postings. Blocks; before anything is appended.
  struct Restored {
    std::vector<LiveAlert> live;    // of replicas, the same alert more than once
    std::vector<Posting> postings;  // without what the buckets know already
  };
  Result<Restored> Restore();

 private:
  struct Kept {
    std::uint64_t sequence = 0;
    std::size_t bytes = 0;
  };
  // One Append() that has come back from the disk; no posting if it failed.
  struct Arrived {
    std::shared_ptr<const Posting> posting;
    std::vector<Kept> records;
  };
  // The record's id.
  std::string Own(const std::string& id) const {
    return deps_.owner.empty() ? id : deps_.owner + "." + id;
  }
  void Arrive(std::uint64_t first, Arrived arrived, const Moment& now);
  void FoldIfHeavy(const Moment& now);
  void FoldBucket(unsigned bucket);
  void Folded(unsigned bucket, std::size_t bytes, const Status& status, const Moment& now);
  void EraseFolded();
  void EndRound(const Status& status, const Moment& now);

  Deps deps_;
  prometheus::Counter& folds_;
  prometheus::Counter& folds_failed_;

  std::mutex mutex_;  // guards next_sequence_, and that commits are asked for in its order
  std::uint64_t next_sequence_ = 1;
  std::atomic<std::size_t> pending_bytes_{0};

  std::map<std::uint64_t, Arrived> arrived_;  // waiting for an earlier one
  std::uint64_t next_to_fold_ = 1;
  std::deque<Kept> kept_;  // folded into the live set, not erased yet
  std::size_t kept_bytes_ = 0;
  std::size_t bucket_bytes_ = 0;
  std::vector<bool> bucket_stored_ = std::vector<bool>(kBuckets, false);

  struct Round {
    bool running = false;
    std::uint64_t through = 0;  // postings up to here are in every bucket once it ends
    std::size_t bytes = 0;
    BootTime not_before{};
  };
  Round round_;
};

}  // namespace fettle::receivers
