// The sample store: recent samples in memory, bounded by series and by time, with an index from
// labels to series. What every rule and query reads.
//
// Safe from any thread. An append is one short exclusive lock; a selection copies references to
// chunks under a shared lock and is read without one, so a query of minutes never holds up a
// collector and sees either all of a batch or nothing of it.
//
// Sizes: a series costs about 400 B and its labels, a sample 0 to 3 B, one of full precision 4 to 7
// (column.h), of the newest sixty 1 to 9 (chunk.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/labels.h"
#include "common/log.h"
#include "common/matcher.h"
#include "common/metadata.h"
#include "common/metrics.h"
#include "common/result.h"
#include "common/sample.h"
#include "rules/exemplar.h"
#include "rules/samples/census.h"
#include "rules/samples/log_files.h"
#include "rules/samples/write_batch.h"

namespace fettle::rules {

class Selection;  // rules/samples/selection.h
struct Shelves;   // rules/samples/shelves.h

struct SampleStoreOptions {
  Millis retention = std::chrono::hours(24);
  std::size_t series_max = 1'000'000;       // then new series are refused, named "series limit"
  std::size_t labels_per_series_max = 64;   // likewise "label limit"
  std::size_t label_bytes_max = 16 * 1024;  // of one name or value
};

class SampleStore final : public SampleSink {
 public:
  // The labels of series whose value changed (appeared, changed, or became stale) in one batch of
  // Origin::kEvent. Called after the batch can be read, without a lock, by the appending thread: it
  // only hands the news on.
  // `newest` is the batch's last time, which may be a little ahead of the clock.
  using ChangeObserver = std::function<void(std::span<const LabelsPtr> changed, Time newest)>;

  // `metrics` may be null (tests of rules and queries); otherwise it must outlive the store.
  explicit SampleStore(SampleStoreOptions options, Metrics* metrics = nullptr);
  ~SampleStore() override;
  SampleStore(const SampleStore&) = delete;
  SampleStore& operator=(const SampleStore&) = delete;

  // Takes what can be taken. Refused and counted by reason: out of order, duplicate (same time,
  // another value; the same value again is simply known), too old, over a limit, no labels.
  // The error names the first refusal; kLimit for limits, kInvalid for the others.
  Status Append(const SampleBatch& batch) override;
  // The same, without a copy of the labels of series that are known.
  struct WriteOptions {
    Origin origin = Origin::kCollector;
    std::optional<Time> latest;  // samples after it are refused: out of bounds
    bool lasting = false;        // returns once the log has it; blocks on the disk
  };
  Status Write(const WriteBatch& batch, const WriteOptions& options);

  // What comes beside samples, kept on shelves (exemplar_shelf.h, metadata_shelf.h) and in the log:
  // the next lasting write waits for it, too.
  struct SeriesExemplar {
    Labels series;
    Exemplar exemplar;
  };
  struct Remarked {
    std::size_t kept = 0;
    std::size_t out_of_order = 0;
  };
  Remarked Remark(std::vector<SeriesExemplar> exemplars, std::vector<MetricMetadata> metadata);
  const Shelves& shelves() const;

  // Brings back what the directory holds and keeps a log of what comes from now on (keeper.h).
  // Once, before anything else. Without it everything is in memory alone. An error is a directory
  // that cannot be read; what is damaged in it is left out and counted.
  struct Keep {
    std::unique_ptr<LogFiles> files;
    Log log;
    Time now;
    std::uint64_t log_bytes_min = 0;  // 0: keeper.h's
    bool thread = true;               // false: the test calls TurnForTest
  };
  Status Persist(Keep keep);
  // What the thread of the log does every second, or when it tries again after a failure.
  void TurnForTest(bool retry = false);

  // Before the first event batch; one observer.
  void OnEventChange(ChangeObserver observer);

  // The series that match all matchers and may have samples in (from, to], in order of creation.
  Selection Select(const Matchers& matchers, Time from, Time to) const;
  // How many series those are at most, told cheaply.
  std::size_t CountAtMost(const Matchers& matchers) const;

  // Forgets samples older than now - retention, and series without samples. Bounded work a call is
  // not promised: one pass over all series. The root calls it every minute or so.
  void Expire(Time now);

  // The newest sample's time; nullopt in an empty store. `Latest` of one series: exact labels.
  std::optional<Time> newest() const;
  std::optional<Time> oldest() const;
  std::optional<Sample> Latest(const Labels& labels) const;

  // Names and values of the index, sorted; with matchers, those of matching series with samples in
  // (from, to]. At most `limit` (0: all).
  std::vector<std::string> LabelNames(const Matchers& matchers, Time from, Time to,
                                      std::size_t limit) const;
  std::vector<std::string> LabelValues(std::string_view name, const Matchers& matchers, Time from,
                                       Time to, std::size_t limit) const;

  struct Stats {
    std::size_t series = 0;
    std::size_t samples = 0;
    std::size_t chunk_bytes = 0;
    std::uint64_t appended = 0;
    std::uint64_t refused = 0;
  };
  Stats stats() const;
  // What is held most of (census.h), at most `top` of each.
  Census TakeCensus(std::size_t top) const;

  // Forgets everything (the test language's `clear`).
  void Clear();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle::rules
