// Functions of a range: opens their samples and arguments, and slides the windows.
#include <algorithm>
#include <array>
#include <utility>

#include "common/number.h"
#include "rules/promql/absent.h"
#include "rules/promql/mixed_windows.h"
#include "rules/promql/open.h"
#include "rules/promql/range_source.h"
#include "rules/promql/scalar_operators.h"
#include "rules/promql/window_functions.h"

namespace fettle::promql {
namespace {

bool KeepsName(FunctionId id) {
  return id == FunctionId::kLastOverTime || id == FunctionId::kFirstOverTime;
}

bool NamesACounter(std::string_view name) {
  static constexpr std::array<std::string_view, 4> kSuffixes = {"_total", "_sum", "_count",
                                                                "_bucket"};
  for (const std::string_view suffix : kSuffixes) {
    if (name.ends_with(suffix)) return true;
  }
  return false;
}

class RangeOperator final : public Operator {
 public:
  RangeOperator(Evaluation& evaluation, const Call& call, const Grid& grid,
                std::unique_ptr<RangeSource> source, std::vector<Cells> arguments)
      : Operator(evaluation, grid.steps),
        call_(call),
        grid_(grid),
        source_(std::move(source)),
        arguments_(std::move(arguments)),
        function_(FindWindowFunction(call.function->id)) {
    rows_ = source_->rows();
    for (Row& row : rows_) {
      row.histograms = row.histograms && MixedRangeFunction::MakesHistograms(call.function->id);
    }
    if (!KeepsName(call.function->id)) MarkNameless(evaluation, rows_);
  }

  Status Fill(std::size_t row, Cells& out) override {
    Evaluation::ScratchSamples scratch(evaluation());
    rules::SampleColumns& samples = *scratch;
    if (Status status = source_->Read(row, samples); !status) return status;
    // What a query holds at one time is one series' samples and its own results.
    if (Status status = evaluation().Hold(samples.times.size()); !status) return status;
    evaluation().Release(samples.times.size());
    if (!samples.plain() || source_->extent() != Extent::kPlain) {
      if (Status status = FillMixed(row, samples, out); !status) return status;
      Remark(row, out);
      return {};
    }
    FindWindows(samples.times);
    const Windows windows{.grid = grid_,
                          .reach = source_->reach(),
                          .range = source_->range(),
                          .times = samples.times,
                          .values = samples.values,
                          .begins = begins_,
                          .ends = ends_,
                          .arguments = arguments_,
                          .stretches = stretches_};
    if (Status status = function_(windows, evaluation(), out); !status) return status;
    Remark(row, out);
    return {};
  }

 private:
  Status FillMixed(std::size_t row, const rules::SampleColumns& samples, Cells& out) {
    MixedRangeFunction function({.evaluation = evaluation(),
                                 .call = call_,
                                 .grid = grid_,
                                 .reach = source_->reach(),
                                 .range = source_->range(),
                                 .extent = source_->extent(),
                                 .arguments = arguments_});
    return function.Fill(samples, source_->rows()[row].Get(kMetricName), out);
  }

  // Most series were scraped at the same times as the one before: then its windows are theirs.
  void FindWindows(const std::vector<std::int64_t>& times) {
    if (!times_.empty() && times == times_) return;
    times_ = times;
    stretches_.clear();
    begins_.resize(steps());
    ends_.resize(steps());
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    const auto size = static_cast<std::uint32_t>(times.size());
    for (std::size_t step = 0; step < steps(); ++step) {
      const std::int64_t to = source_->reach().At(grid_, step);
      const std::int64_t from = to - source_->range();
      while (end < size && times[end] <= to) ++end;
      while (begin < end && times[begin] <= from) ++begin;
      begins_[step] = begin;
      ends_[step] = end;
    }
  }

  void Remark(std::size_t row, const Cells& out) {
    const FunctionId id = call_.function->id;
    const auto any = [&] {
      return std::any_of(out.begin(), out.end(),
                         [](double cell) { return !IsAbsent(cell) && !IsHistogramCell(cell); });
    };
    if (id == FunctionId::kRate || id == FunctionId::kIncrease) {
      const std::string_view name = source_->rows()[row].Get(kMetricName);
      if (name.empty()) return;
      if (evaluation().options().type_and_unit_labels) {
        const std::string_view type = source_->rows()[row].Get("__type__");
        if (type == "counter" || type == "histogram" || !any()) return;
        evaluation().Inform(call_.arguments[0]->span,
                            fmt::format("PromQL info: metric might not be a counter, __type__ "
                                        "label is not set to \"counter\" or \"histogram\", got "
                                        "{}: {}",
                                        Quote(type), Quote(name)));
        return;
      }
      if (NamesACounter(name) || !any()) return;
      evaluation().Inform(call_.arguments[0]->span,
                          fmt::format("PromQL info: metric might not be a counter, name does not "
                                      "end in _total/_sum/_count/_bucket: {}",
                                      Quote(name)));
    }
    if (id == FunctionId::kQuantileOverTime) {
      for (std::size_t step = 0; step < steps(); ++step) {
        const double q = arguments_[0][step];
        if (IsAbsent(out[step]) || (q >= 0 && q <= 1)) continue;
        evaluation().Warn(call_.arguments[0]->span,
                          fmt::format("PromQL warning: quantile value should be between 0 and 1, "
                                      "got {}",
                                      FormatFloat(q)));
      }
    }
  }

  const Call& call_;
  const Grid grid_;
  const std::unique_ptr<RangeSource> source_;
  const std::vector<Cells> arguments_;
  const WindowFunction function_;
  std::vector<std::int64_t> times_;  // of the series that the windows below were found for
  std::vector<std::uint32_t> begins_;
  std::vector<std::uint32_t> ends_;
  std::vector<Stretch> stretches_;
};

// Samples beyond the range mean something only to functions that know of them.
Status CheckExtent(const Expr& ranged, const Function& function) {
  const auto* matrix = As<MatrixSelector>(ranged);
  if (matrix == nullptr || matrix->selector->extent == Extent::kPlain) return {};
  const FunctionId id = function.id;
  const bool rate =
      id == FunctionId::kRate || id == FunctionId::kIncrease || id == FunctionId::kDelta;
  if (matrix->selector->extent == Extent::kSmoothed) {
    if (rate) return {};
    return Fail("smoothed modifier can only be used with: delta, increase, rate - not with {}",
                function.name);
  }
  if (rate || id == FunctionId::kResets || id == FunctionId::kChanges) return {};
  return Fail(
      "anchored modifier can only be used with: changes, delta, increase, rate, resets - not with "
      "{}",
      function.name);
}

}  // namespace

Result<OperatorPtr> OpenRangeFunction(Evaluation& evaluation, const Call& call, const Grid& grid) {
  std::unique_ptr<RangeSource> source;
  const Expr* ranged = nullptr;
  std::vector<Cells> arguments;
  for (const Expr* argument : call.arguments) {
    if (argument->type == ValueType::kMatrix) {
      ranged = &Unwrap(*argument);
      if (Status status = CheckExtent(*ranged, *call.function); !status) {
        return tl::unexpected(status.error());
      }
      Result<std::unique_ptr<RangeSource>> opened = RangeSource::Open(evaluation, *ranged, grid);
      if (!opened) return tl::unexpected(opened.error());
      source = std::move(*opened);
    } else {
      Result<Cells> scalar = OpenScalar(evaluation, *argument, grid);
      if (!scalar) return tl::unexpected(scalar.error());
      arguments.push_back(std::move(*scalar));
    }
  }
  auto opened = std::make_unique<RangeOperator>(evaluation, call, grid, std::move(source),
                                                std::move(arguments));
  if (call.function->id == FunctionId::kAbsentOverTime) {
    return OpenAbsence(*opened, AbsentLabels(*ranged));
  }
  return MergeSameLabels(std::move(opened), evaluation.options().delayed_name_removal
                                                ? Merge::kNamesDropped
                                                : Merge::kNothingInBoth);
}

}  // namespace fettle::promql
