// One query being evaluated: its limits, what it found worth mentioning, and the scratch memory of
// the thread that works on it.
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "rules/promql/classic_histogram.h"
#include "rules/promql/engine.h"
#include "rules/promql/row.h"
#include "rules/promql/value.h"
#include "rules/samples/selection.h"

namespace fettle::promql {

// How many numbers a query may hold in memory, and holds; shared by the threads that work on it.
struct Budget {
  explicit Budget(std::size_t m) : max(m) {}
  const std::size_t max;
  std::atomic<std::size_t> held = 0;
  std::atomic<std::size_t> peak = 0;
  void Note(std::size_t now_held);  // for the peak
};

// Not safe from several threads.
class Evaluation {
 public:
  struct Query {
    std::int64_t start = 0;
    std::int64_t end = 0;
    std::int64_t step = 0;  // 0 for an instant
    BootTime deadline = BootTime::max();
  };
  Evaluation(const rules::SampleStore& samples, const Clock& clock, const EngineOptions& options,
             Query query, Budget& budget)
      : samples_(samples), clock_(clock), options_(options), query_(query), budget_(budget) {}
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;

  const rules::SampleStore& samples() const { return samples_; }
  const EngineOptions& options() const { return options_; }
  const Query& query() const { return query_; }

  // Counts work done, in numbers looked at; looks at the clock now and then. kTimeout once the
  // deadline has passed.
  Status Spend(std::size_t numbers) {
    unchecked_ += numbers;
    return unchecked_ < kNumbersBetweenLooks ? Status() : CheckDeadline();
  }
  Status CheckDeadline();

  // Counts numbers held in memory; kLimit above samples_max.
  Status Hold(std::size_t numbers);
  void Release(std::size_t numbers) { budget_.held -= numbers; }
  void CountRead(std::size_t samples) { read_ += samples; }

  // Histograms live beside the rows: a cell names one. Counted as held by their weight.
  double Keep(HistogramPtr histogram);
  double Keep(FloatHistogram histogram) {
    return Keep(std::make_shared<const FloatHistogram>(std::move(histogram)));
  }
  const HistogramPtr& HistogramAt(double cell) const {
    return histograms_[rules::HistogramPlace(cell)];
  }
  std::span<const HistogramPtr> histograms() const { return histograms_; }
  // Forgets the histograms that were kept during its life: of rows that have been used up. Nothing
  // may be opened meanwhile.
  class HistogramScope {
   public:
    explicit HistogramScope(Evaluation& evaluation)
        : evaluation_(evaluation), size_(evaluation.histograms_.size()) {}
    ~HistogramScope() { evaluation_.Forget(size_); }
    HistogramScope(const HistogramScope&) = delete;
    HistogramScope& operator=(const HistogramScope&) = delete;

   private:
    Evaluation& evaluation_;
    const std::size_t size_;
  };

  // What selectors opened now will be used for: above histogram_count, histogram_sum and
  // histogram_avg, hints are worked out where the store knows none, as Prometheus' iterator of
  // counts does; not where buckets are needed too.
  struct HistogramUse {
    bool counts = false;
    bool buckets = false;
    bool only_counts() const { return counts && !buckets; }
  };
  const HistogramUse& histogram_use() const { return histogram_use_; }
  class HistogramUseScope {
   public:
    HistogramUseScope(Evaluation& evaluation, HistogramUse use)
        : evaluation_(evaluation), outer_(std::exchange(evaluation.histogram_use_, use)) {}
    ~HistogramUseScope() { evaluation_.histogram_use_ = outer_; }
    HistogramUseScope(const HistogramUseScope&) = delete;
    HistogramUseScope& operator=(const HistogramUseScope&) = delete;

   private:
    Evaluation& evaluation_;
    const HistogramUse outer_;
  };

  void Warn(Span where, std::string text) { Note(Annotation::Kind::kWarning, where, text); }
  void Inform(Span where, std::string text) { Note(Annotation::Kind::kInfo, where, text); }

  // A classic histogram's counts had to be raised at `at`. Said once of each metric, with all that
  // was seen: from when to when, between which buckets, by how much at most.
  void InformOfRaised(Span where, const std::string& text, std::int64_t at, const Raised& raised);

  // What was found and read for later steps of the same query counts as found here.
  void Absorb(const Evaluation& later);
  Annotations TakeAnnotations();
  std::size_t samples_read() const { return read_; }
  std::size_t samples_peak() const { return budget_.peak; }

  // Something in the query looks at all of its steps together: half of them is of no use.
  void NeedAllSteps() { needs_all_steps_ = true; }
  bool needs_all_steps() const { return needs_all_steps_; }

  // A row, and samples of a series, from a pool: their contents are of no use before they are
  // written.
  class Scratch {
   public:
    Scratch(Evaluation& evaluation, std::size_t steps);
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    Cells& operator*() { return cells_; }
    Cells* operator->() { return &cells_; }

   private:
    Evaluation& evaluation_;
    Cells cells_;
  };
  class ScratchSamples {
   public:
    explicit ScratchSamples(Evaluation& evaluation);
    ~ScratchSamples();
    ScratchSamples(const ScratchSamples&) = delete;
    ScratchSamples& operator=(const ScratchSamples&) = delete;
    rules::SampleColumns& operator*() { return samples_; }
    rules::SampleColumns* operator->() { return &samples_; }

   private:
    Evaluation& evaluation_;
    rules::SampleColumns samples_;
  };

 private:
  static constexpr std::size_t kNumbersBetweenLooks = 10'000;
  struct RaisedCounts {
    std::size_t annotation = 0;
    Raised raised;
    std::int64_t first = 0;
    std::int64_t last = 0;
    std::size_t samples = 0;
  };
  void Forget(std::size_t from);
  void AddRaised(Span where, const std::string& text, RaisedCounts more);
  void Note(Annotation::Kind kind, Span where, const std::string& text);

  const rules::SampleStore& samples_;
  const Clock& clock_;
  const EngineOptions& options_;
  const Query query_;
  Budget& budget_;
  bool needs_all_steps_ = false;
  std::size_t unchecked_ = 0;
  std::size_t read_ = 0;
  Annotations annotations_;
  std::unordered_set<std::string> noted_;
  std::vector<Cells> free_cells_;
  std::vector<rules::SampleColumns> free_samples_;
  std::vector<HistogramPtr> histograms_;
  HistogramUse histogram_use_;
  std::map<std::string, RaisedCounts> raised_;
};

}  // namespace fettle::promql
