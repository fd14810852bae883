#include "rules/promql/range_source.h"

#include <algorithm>
#include <utility>

#include "rules/promql/open.h"

namespace fettle::promql {
void DetectResets(rules::SampleColumns& samples) {
  using enum FloatHistogram::ResetHint;
  const FloatHistogram* last = nullptr;
  for (HistogramPtr& histogram : samples.histograms) {
    if (histogram->hint == kUnknown && last != nullptr) {
      auto hinted = std::make_shared<FloatHistogram>(*histogram);
      hinted->hint = DetectReset(*histogram, *last) ? kReset : kNotReset;
      histogram = std::move(hinted);
    }
    last = histogram.get();
  }
}

namespace {

// Its index, or how many values there are.
std::size_t FirstStale(const std::vector<double>& values) {
  bool any = false;  // without a way out, so that it is done several at a time
  for (const double value : values) any |= IsStaleNaN(value);
  if (!any) return values.size();
  return static_cast<std::size_t>(std::find_if(values.begin(), values.end(), IsStaleNaN) -
                                  values.begin());
}

class SelectorSource final : public RangeSource {
 public:
  static Result<std::unique_ptr<RangeSource>> Open(Evaluation& evaluation,
                                                   const MatrixSelector& matrix, const Grid& grid) {
    const Evaluation::Query& query = evaluation.query();
    const Result<Reach> reach = ReachOf(matrix.selector->when, query);
    if (!reach) return tl::unexpected(reach.error());
    const Result<std::int64_t> range = LengthOf(matrix.range, matrix.range_expr, query, false);
    if (!range) return tl::unexpected(range.error());
    auto source = std::make_unique<SelectorSource>(evaluation, grid);
    source->reach_ = *reach;
    source->range_ = *range;
    source->extent_ = matrix.selector->extent;
    const std::int64_t lookback = evaluation.options().lookback.count();
    if (source->extent_ != Extent::kPlain) source->before_ = lookback;
    if (source->extent_ == Extent::kSmoothed) source->after_ = lookback;
    source->selection_ = evaluation.samples().Select(
        matrix.selector->matchers, TimeFromMillis(reach->First(grid) - *range - source->before_),
        TimeFromMillis(reach->Last(grid) + source->after_));
    source->rows_.reserve(source->selection_.size());
    for (std::size_t i = 0; i < source->selection_.size(); ++i) {
      source->rows_.push_back({source->selection_.labels(i)});
      source->rows_.back().histograms = source->selection_.histograms(i);
      if (source->rows_.back().histograms) evaluation.NeedAllSteps();
    }
    return std::unique_ptr<RangeSource>(std::move(source));
  }

  SelectorSource(Evaluation& evaluation, const Grid& grid)
      : evaluation_(evaluation),
        grid_(grid),
        only_counts_(evaluation.histogram_use().only_counts()) {}

  Status Read(std::size_t row, rules::SampleColumns& into) override {
    selection_.Read(row, reach_.First(grid_) - range_ - before_, reach_.Last(grid_) + after_, into);
    const std::size_t read = into.times.size();
    evaluation_.CountRead(read);
    if (Status status = evaluation_.Spend(read); !status) return status;
    if (only_counts_ && rows_[row].histograms) DetectResets(into);
    const bool started = !into.starts.empty();
    std::size_t kept = FirstStale(into.values);
    for (std::size_t i = kept; i < read; ++i) {
      into.times[kept] = into.times[i];
      into.values[kept] = into.values[i];
      if (started) into.starts[kept] = into.starts[i];
      kept += IsStaleNaN(into.values[i]) ? 0 : 1;
    }
    into.times.resize(kept);
    into.values.resize(kept);
    if (started) into.starts.resize(evaluation_.options().start_timestamps ? kept : 0);
    return {};
  }

 private:
  Evaluation& evaluation_;
  const Grid grid_;
  const bool only_counts_;
  rules::Selection selection_;
  std::int64_t before_ = 0;  // how much further it looks, milliseconds
  std::int64_t after_ = 0;
};

// What a counter's hint said about the sample before it says nothing of the step before it.
HistogramPtr WithoutHint(const HistogramPtr& histogram) {
  using enum FloatHistogram::ResetHint;
  if (histogram->hint == kGauge || histogram->hint == kUnknown) return histogram;
  auto copy = std::make_shared<FloatHistogram>(*histogram);
  copy->hint = kUnknown;
  return copy;
}

// The inner expression on a grid of its own: multiples of the step since the epoch, over the
// windows of all outer steps.
class SubquerySource final : public RangeSource {
 public:
  static Result<std::unique_ptr<RangeSource>> Open(Evaluation& evaluation,
                                                   const SubqueryExpr& subquery, const Grid& grid) {
    const Evaluation::Query& query = evaluation.query();
    const Result<Reach> reach = ReachOf(subquery.when, query);
    if (!reach) return tl::unexpected(reach.error());
    const Result<std::int64_t> range = LengthOf(subquery.range, subquery.range_expr, query, false);
    if (!range) return tl::unexpected(range.error());
    std::int64_t step = evaluation.options().default_step.count();
    if (subquery.step_expr != nullptr || subquery.step != Millis(0)) {
      const Result<std::int64_t> given = LengthOf(subquery.step, subquery.step_expr, query, false);
      if (!given) return tl::unexpected(given.error());
      step = *given;
    }
    if (step <= 0) return Fail("subquery step must be at least 1ms");
    const std::int64_t from = reach->First(grid) - *range;
    Grid inner{.start = step * (from / step), .step = step};
    if (inner.start <= from) inner.start += step;
    auto source = std::make_unique<SubquerySource>();
    source->reach_ = *reach;
    source->range_ = *range;
    if (inner.start > reach->Last(grid)) return std::unique_ptr<RangeSource>(std::move(source));
    const std::int64_t steps = (reach->Last(grid) - inner.start) / step + 1;
    // One row of it must fit.
    if (Status status = evaluation.Hold(static_cast<std::size_t>(steps)); !status) {
      return tl::unexpected(status.error());
    }
    evaluation.Release(static_cast<std::size_t>(steps));
    inner.steps = static_cast<std::size_t>(steps);
    Evaluation::HistogramUse use = evaluation.histogram_use();
    use.buckets = true;
    const Evaluation::HistogramUseScope scope(evaluation, use);
    Result<OperatorPtr> opened = promql::Open(evaluation, *subquery.inner, inner);
    if (!opened) return tl::unexpected(opened.error());
    source->grid_ = inner;
    source->inner_ = std::move(*opened);
    source->rows_ = source->inner_->rows();
    return std::unique_ptr<RangeSource>(std::move(source));
  }

  Status Read(std::size_t row, rules::SampleColumns& into) override {
    Evaluation::Scratch cells(inner_->evaluation(), grid_.steps);
    if (Status status = inner_->Fill(row, *cells); !status) return status;
    into.Clear();
    const Evaluation& evaluation = inner_->evaluation();
    for (std::size_t i = 0; i < grid_.steps; ++i) {
      double cell = (*cells)[i];
      if (IsAbsent(cell)) continue;
      if (rows_[row].histograms && IsHistogramCell(cell)) {
        const double kept = cell;
        cell = HistogramCell(into.histograms.size());
        into.histograms.push_back(WithoutHint(evaluation.HistogramAt(kept)));
      }
      into.times.push_back(grid_.At(i));
      into.values.push_back(cell);
    }
    return {};
  }

 private:
  Grid grid_;
  OperatorPtr inner_;
};

}  // namespace

Result<std::unique_ptr<RangeSource>> RangeSource::Open(Evaluation& evaluation, const Expr& expr,
                                                       const Grid& grid) {
  if (const auto* matrix = As<MatrixSelector>(expr)) {
    return SelectorSource::Open(evaluation, *matrix, grid);
  }
  return SubquerySource::Open(evaluation, *As<SubqueryExpr>(expr), grid);
}

}  // namespace fettle::promql
