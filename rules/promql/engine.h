// Evaluates an expression at a moment, or at every step of a range.
//
// Safe from any thread; evaluation happens on the caller's thread and may take until its deadline,
// so the brain gives it to a hand. Reads the store only through selections.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "rules/promql/ast.h"
#include "rules/promql/value.h"
#include "rules/samples/samples.h"

namespace fettle::promql {

struct EngineOptions {
  Millis lookback = std::chrono::minutes(5);
  // Numbers held in memory by one query; more is "query processing would load too many samples".
  std::size_t samples_max = 50'000'000;
  // A subquery without a step uses it: the global evaluation interval.
  Millis default_step = std::chrono::minutes(1);
  // Metric names are removed at the very end, so that label_replace can still see them.
  bool delayed_name_removal = false;
  // Range queries that may compute so many cells are shared by two threads: starting one takes some
  // 50 us, as long as that.
  std::size_t cells_for_two_threads = 20'000;
  // Where samples say when their counting began, rates and resets go by it.
  bool start_timestamps = false;
  // __type__ says what a counter is, not the metric's name.
  bool type_and_unit_labels = false;
};

struct Row;  // rules/promql/row.h
struct Grid;

// Takes the answer of a range query series by series, sorted by labels, as each is computed.
class RowSink {
 public:
  virtual ~RowSink() = default;
  // Before the first: there will be at most so many.
  virtual void Expect(std::size_t rows) = 0;
  // `cells` has one a step, `present` (at least one) of them not Absent(). Where the row may hold
  // histograms, cells name places in `histograms`.
  virtual void Take(const Row& row, const Grid& grid, const std::vector<double>& cells,
                    std::size_t present, std::span<const HistogramPtr> histograms) = 0;
  // A sink of its own for the later steps of the same answer, filled at the same time by another
  // thread; null if there is none. Called before anything else, or not at all.
  virtual RowSink* Later() { return nullptr; }
};

class Engine {
 public:
  struct Deps {
    const rules::SampleStore& samples;
    const Clock& clock;  // for the deadline alone
  };
  // No deadline of its own: the caller's query ends at BootTime `deadline`.
  static constexpr BootTime kNoDeadline = BootTime::max();

  Engine(Deps deps, EngineOptions options);

  // A scalar, string, vector, or (of a range selector) matrix.
  // Errors: kTimeout at the deadline, kLimit at samples_max, kFailed for what the language forbids
  // at run time ("found duplicate series for the match group…").
  Result<Answer> Instant(const Expr& expr, Time at, BootTime deadline) const;
  // A matrix with a point for each step in [start, end] at which there is a value; series sorted by
  // labels. kInvalid if the expression is neither a scalar nor an instant vector, or step <= 0.
  Result<Answer> Range(const Expr& expr, Time start, Time end, Millis step,
                       BootTime deadline) const;
  // The same, given to `sink`; the answer's own matrix stays empty. What the sink has taken is of
  // no use if the query fails later.
  Result<Answer> RangeInto(const Expr& expr, Time start, Time end, Millis step, BootTime deadline,
                           RowSink& sink) const;

  // The same engine, looking further or less far back for an instant selector's sample.
  Engine WithLookback(Millis lookback) const;

  const EngineOptions& options() const { return options_; }
  const Clock& clock() const { return deps_.clock; }

 private:
  Deps deps_;
  EngineOptions options_;
};

}  // namespace fettle::promql
