// histogram_quantile, histogram_quantiles and histogram_fraction over classic histograms (rows that
// differ in `le` alone are the buckets of one) and native ones; and what a native one says by
// itself.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <utility>

#include "common/number.h"
#include "rules/promql/classic_histogram.h"
#include "rules/promql/function_table.h"
#include "rules/promql/native_histogram.h"
#include "rules/promql/open.h"

namespace fettle::promql {
namespace {

constexpr std::string_view kBucketLabel = "le";

std::optional<double> BoundOf(std::string_view text) {
  if (text.starts_with("+")) text.remove_prefix(1);
  double bound = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bound);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return std::nullopt;
  }
  return bound;
}

// One histogram: the rows that are its buckets, or the row that holds native ones, or (by mistake)
// both.
struct Histogram {
  Row row;                                              // without le
  std::vector<std::pair<double, std::size_t>> buckets;  // upper bound, row; sorted
  std::optional<std::size_t> native;
};

// The text of q as a label: "0.5", "1.0".
std::string OpenMetricsFloat(double q) {
  std::string text = FormatFloat(q);
  if (text.find_first_of(".eIN") == std::string::npos) text += ".0";
  return text;
}

class HistogramOpener {
 public:
  HistogramOpener(Evaluation& evaluation, const Call& call, const Grid& grid)
      : evaluation_(evaluation), call_(call), grid_(grid) {}
  ~HistogramOpener() { evaluation_.Release(grid_.steps * cells_.size()); }
  HistogramOpener(const HistogramOpener&) = delete;
  HistogramOpener& operator=(const HistogramOpener&) = delete;

  Result<OperatorPtr> Open() {
    if (Status status = OpenArguments(); !status) return tl::unexpected(status.error());
    if (Status status = Group(); !status) return tl::unexpected(status.error());
    const std::size_t answers = fraction() ? 1 : scalars_.size();
    std::vector<Row> rows;
    std::vector<Cells> cells;
    for (std::size_t answer = 0; answer < answers; ++answer) {
      for (const Histogram& histogram : histograms_) {
        rows.push_back(RowFor(histogram, answer));
        cells.push_back(Compute(histogram, answer));
        const std::size_t work = grid_.steps * histogram.buckets.size();
        if (Status status = evaluation_.Spend(work); !status) return tl::unexpected(status.error());
      }
    }
    MarkNameless(evaluation_, rows);
    Result<OperatorPtr> out =
        TableOperator::Make(evaluation_, grid_.steps, std::move(rows), std::move(cells));
    if (!out) return out;
    return MergeSameLabels(std::move(*out), Merge::kLabelsChanged);
  }

 private:
  Status OpenArguments() {
    const bool many = call_.function->id == FunctionId::kHistogramQuantiles;
    if (many) label_ = As<StringLiteral>(Unwrap(*call_.arguments[1]))->value;
    for (const Expr* argument : call_.arguments) {
      if (argument->type == ValueType::kVector) {
        vector_ = argument;
        Evaluation::HistogramUse use = evaluation_.histogram_use();
        use.buckets = true;
        const Evaluation::HistogramUseScope scope(evaluation_, use);
        Result<OperatorPtr> opened = promql::Open(evaluation_, *argument, grid_);
        if (!opened) return tl::unexpected(opened.error());
        child_ = std::move(*opened);
      } else if (argument->type == ValueType::kScalar) {
        Result<Cells> scalar = OpenScalar(evaluation_, *argument, grid_);
        if (!scalar) return tl::unexpected(scalar.error());
        CheckQuantiles(*argument, *scalar);
        scalars_.push_back(std::move(*scalar));
      }
    }
    return {};
  }

  void CheckQuantiles(const Expr& argument, const Cells& quantiles) {
    if (fraction()) return;
    for (const double q : quantiles) {
      if (q >= 0 && q <= 1) continue;
      evaluation_.Warn(argument.span,
                       fmt::format("PromQL warning: quantile value should be between 0 and 1, "
                                   "got {}",
                                   FormatFloat(q)));
    }
  }

  Status Group() {
    for (std::size_t i = 0; i < child_->rows().size(); ++i) {
      const Row& row = child_->rows()[i];
      Evaluation::Scratch cells(evaluation_, grid_.steps);
      if (Status status = child_->Fill(i, *cells); !status) return status;
      bool numbers = false;
      bool histograms = false;
      for (const double cell : *cells) {
        if (IsAbsent(cell)) continue;
        (row.histograms && IsHistogramCell(cell) ? histograms : numbers) = true;
      }
      if (!numbers && !histograms) continue;
      if (Status status = evaluation_.Hold(grid_.steps); !status) return status;
      cells_.push_back(*cells);
      if (histograms) FindHistogram(row, *row.Seen()).native = cells_.size() - 1;
      if (numbers) AddBucket(row);
    }
    for (Histogram& histogram : histograms_) {
      std::stable_sort(histogram.buckets.begin(), histogram.buckets.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
    }
    return {};
  }

  // The last of cells_ are a classic bucket's.
  void AddBucket(const Row& row) {
    const std::string_view text = row.Get(kBucketLabel);
    const std::optional<double> bound = BoundOf(text);
    if (!bound) {
      WarnOfBound(row, text);
      return;
    }
    Labels labels = *row.Seen();
    labels.Remove(kBucketLabel);
    FindHistogram(row, std::move(labels)).buckets.emplace_back(*bound, cells_.size() - 1);
  }

  Histogram& FindHistogram(const Row& row, Labels labels) {
    const Row without{.labels = std::make_shared<const Labels>(std::move(labels)),
                      .drop_name = row.drop_name};
    const auto [at, fresh] = known_.try_emplace(keyer_.All(without), histograms_.size());
    if (fresh) histograms_.push_back({without, {}, {}});
    return histograms_[at->second];
  }

  void WarnOfBound(const Row& row, std::string_view text) {
    std::string message =
        fmt::format("PromQL warning: bucket label \"le\" is missing or has a malformed value of {}",
                    Quote(text));
    const std::string_view name = row.Get(kMetricName);
    if (!name.empty() && (!row.drop_name || evaluation_.options().delayed_name_removal))
      message += fmt::format(" for metric name {}", Quote(name));
    evaluation_.Warn(vector_->span, std::move(message));
  }

  Row RowFor(const Histogram& histogram, std::size_t answer) const {
    if (label_.empty()) return histogram.row;
    Row row = histogram.row;
    Labels labels = *row.labels;
    labels.Set(label_, OpenMetricsFloat(scalars_[answer].empty() ? 0 : scalars_[answer][0]));
    row.labels = std::make_shared<const Labels>(std::move(labels));
    return row;
  }

  Cells Compute(const Histogram& histogram, std::size_t answer) {
    Cells out(grid_.steps, Absent());
    std::vector<Bucket> buckets;
    for (std::size_t step = 0; step < grid_.steps; ++step) {
      buckets.clear();
      for (const auto& [bound, row] : histogram.buckets) {
        const double cell = cells_[row][step];
        if (!IsAbsent(cell) && !IsHistogramCell(cell)) buckets.push_back({bound, cell});
      }
      const double native = histogram.native ? cells_[*histogram.native][step] : Absent();
      if (IsHistogramCell(native)) {
        if (buckets.empty()) {
          out[step] = ComputeNative(histogram, answer, step, *evaluation_.HistogramAt(native));
        } else {
          WarnOfBothKinds(histogram);
        }
        continue;
      }
      if (buckets.empty()) continue;
      if (fraction()) {
        out[step] = FractionOf(scalars_[0][step], scalars_[1][step], buckets);
        continue;
      }
      const BucketQuantile quantile = QuantileOf(scalars_[answer][step], buckets);
      out[step] = quantile.value;
      if (quantile.raised.any) InformOfRaised(histogram, step, quantile.raised);
    }
    return out;
  }

  bool fraction() const { return call_.function->id == FunctionId::kHistogramFraction; }

  double ComputeNative(const Histogram& histogram, std::size_t answer, std::size_t step,
                       const FloatHistogram& native) {
    const NativeAnswer out = fraction() ? FractionOf(scalars_[0][step], scalars_[1][step], native)
                                        : QuantileOf(scalars_[answer][step], native);
    if (out.effect == NaNEffect::kNone) return out.value;
    std::string text =
        fraction() ? "PromQL info: input to histogram_fraction has NaN observations, which are "
                     "excluded from all fractions"
        : out.effect == NaNEffect::kResultIsNaN
            ? "PromQL info: input to histogram_quantile has NaN observations, result is NaN"
            : "PromQL info: input to histogram_quantile has NaN observations, result is skewed "
              "higher";
    evaluation_.Inform(vector_->span, std::move(text) + ForMetric(histogram));
    return out.value;
  }

  // " for metric name …", where the name has not been dropped before it is asked for.
  std::string ForMetric(const Histogram& histogram) const {
    const std::string_view name = histogram.row.Get(kMetricName);
    if (!evaluation_.options().delayed_name_removal || name.empty()) return {};
    return fmt::format(" for metric name {}", Quote(name));
  }

  void WarnOfBothKinds(const Histogram& histogram) {
    evaluation_.Warn(vector_->span,
                     "PromQL warning: vector contains a mix of classic and native histograms" +
                         ForMetric(histogram));
  }

  void InformOfRaised(const Histogram& histogram, std::size_t step, const Raised& raised) {
    evaluation_.InformOfRaised(
        vector_->span,
        "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "
        "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)" +
            ForMetric(histogram),
        grid_.At(step), raised);
  }

  Evaluation& evaluation_;
  const Call& call_;
  const Grid grid_;
  const Expr* vector_ = nullptr;
  OperatorPtr child_;
  std::vector<Cells> scalars_;
  std::string label_;  // of histogram_quantiles
  std::vector<Cells> cells_;
  std::vector<Histogram> histograms_;
  LabelsKeyer keyer_;
  std::unordered_map<LabelsKey, std::size_t, LabelsKeyHash> known_;
};

double FactOf(FunctionId id, const FloatHistogram& histogram) {
  switch (id) {
    case FunctionId::kHistogramCount:
      return histogram.count;
    case FunctionId::kHistogramSum:
      return histogram.sum;
    case FunctionId::kHistogramAvg:
      return histogram.sum / histogram.count;
    case FunctionId::kHistogramStdvar:
      return VarianceOf(histogram);
    default:
      return std::sqrt(VarianceOf(histogram));
  }
}

class FactOperator final : public Operator {
 public:
  FactOperator(OperatorPtr child, FunctionId id)
      : Operator(child->evaluation(), child->steps()), id_(id) {
    for (std::size_t i = 0; i < child->rows().size(); ++i) {
      if (!child->rows()[i].histograms) continue;
      places_.push_back(i);
      rows_.push_back(child->rows()[i]);
      rows_.back().histograms = false;
    }
    child_ = std::move(child);
    MarkNameless(evaluation(), rows_);
  }
  Status Fill(std::size_t row, Cells& out) override {
    const Evaluation::HistogramScope scope(evaluation());
    if (Status status = child_->Fill(places_[row], out); !status) return status;
    for (double& cell : out) {
      cell = IsHistogramCell(cell) ? FactOf(id_, *evaluation().HistogramAt(cell)) : Absent();
    }
    return evaluation().Spend(steps());
  }

 private:
  const FunctionId id_;
  OperatorPtr child_;
  std::vector<std::size_t> places_;  // of the rows with histograms
};

}  // namespace

Result<OperatorPtr> OpenHistogramFunction(Evaluation& evaluation, const Call& call,
                                          const Grid& grid) {
  return HistogramOpener(evaluation, call, grid).Open();
}

Result<OperatorPtr> OpenHistogramFact(Evaluation& evaluation, const Call& call, const Grid& grid) {
  Evaluation::HistogramUse use = evaluation.histogram_use();
  const FunctionId id = call.function->id;
  if (id != FunctionId::kHistogramStddev && id != FunctionId::kHistogramStdvar) use.counts = true;
  const Evaluation::HistogramUseScope scope(evaluation, use);
  Result<OperatorPtr> child = Open(evaluation, *call.arguments[0], grid);
  if (!child) return child;
  return MergeSameLabels(std::make_unique<FactOperator>(std::move(*child), call.function->id),
                         Merge::kNamesDropped);
}

}  // namespace fettle::promql
