#include "rules/promql/engine.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "rules/promql/evaluation.h"
#include "rules/promql/open.h"
#include "rules/promql/range_source.h"

namespace fettle::promql {
namespace {

Answer Finish(Evaluation& evaluation, Value value) {
  return {.value = std::move(value),
          .annotations = evaluation.TakeAnnotations(),
          .samples = evaluation.samples_read(),
          .samples_peak = evaluation.samples_peak()};
}

// Names that were to be dropped at the very end are dropped now.
Result<OperatorPtr> DropNames(Result<OperatorPtr> opened, const EngineOptions& options) {
  if (!opened || !options.delayed_name_removal) return opened;
  class Renamed final : public Operator {
   public:
    explicit Renamed(OperatorPtr child)
        : Operator(child->evaluation(), child->steps()), child_(std::move(child)) {
      rows_ = child_->rows();
      for (Row& row : rows_) row.nameless = row.nameless || row.drop_name;
    }
    Status Fill(std::size_t row, Cells& out) override { return child_->Fill(row, out); }

   private:
    const OperatorPtr child_;
  };
  return MergeSameLabels(std::make_unique<Renamed>(std::move(*opened)), Merge::kLabelsChanged);
}

Result<Value> InstantVector(Operator& from, Time at) {
  Value value{.type = ValueType::kVector, .at = at};
  Cells cell(1);
  for (std::size_t row = 0; row < from.rows().size(); ++row) {
    if (Status status = from.Fill(row, cell); !status) return tl::unexpected(status.error());
    if (!IsAbsent(cell[0])) value.vector.push_back({from.rows()[row].Final(), cell[0], nullptr});
  }
  return value;
}

// A range selector or a subquery by itself: its samples.
Result<Value> InstantMatrix(Evaluation& evaluation, const Expr& expr, const Grid& grid) {
  const Result<std::unique_ptr<RangeSource>> source = RangeSource::Open(evaluation, expr, grid);
  if (!source) return tl::unexpected(source.error());
  Value value{.type = ValueType::kMatrix};
  rules::SampleColumns samples;
  for (std::size_t row = 0; row < (*source)->rows().size(); ++row) {
    Status status = (*source)->Read(row, samples);
    if (status) status = evaluation.Hold(samples.times.size());
    if (!status) return tl::unexpected(status.error());
    if (samples.times.empty()) continue;
    Series series{.labels = (*source)->rows()[row].Final()};
    series.points.reserve(samples.times.size());
    for (std::size_t i = 0; i < samples.times.size(); ++i) {
      // A subquery's grid may begin before the window.
      series.points.push_back({samples.times[i], samples.values[i]});
    }
    value.matrix.push_back(std::move(series));
  }
  return value;
}

void SortByLabels(Matrix& matrix) {
  std::sort(matrix.begin(), matrix.end(),
            [](const Series& a, const Series& b) { return *a.labels < *b.labels; });
}

// The store's order is often the answer's already.
std::vector<std::size_t> OrderByLabels(const std::vector<Row>& rows) {
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto before = [&](std::size_t a, std::size_t b) { return FinallyBefore(rows[a], rows[b]); };
  if (!std::is_sorted(order.begin(), order.end(), before)) {
    std::stable_sort(order.begin(), order.end(), before);
  }
  return order;
}

}  // namespace

Engine::Engine(Deps deps, EngineOptions options) : deps_(deps), options_(options) {}

Engine Engine::WithLookback(Millis lookback) const {
  EngineOptions options = options_;
  options.lookback = lookback;
  return {deps_, options};
}

Result<Answer> Engine::Instant(const Expr& expr, Time at, BootTime deadline) const {
  const std::int64_t now = ToMillis(at);
  Evaluation evaluation(deps_.samples, deps_.clock, options_,
                        {.start = now, .end = now, .step = 0, .deadline = deadline});
  const Grid grid{.start = now};
  const Expr& inner = Unwrap(expr);
  if (const auto* string = As<StringLiteral>(inner)) {
    return Finish(evaluation,
                  {.type = ValueType::kString, .at = at, .scalar = 0, .string = string->value});
  }
  if (expr.type == ValueType::kMatrix) {
    Result<Value> value = InstantMatrix(evaluation, inner, grid);
    if (!value) return tl::unexpected(value.error());
    SortByLabels(value->matrix);
    value->at = at;
    return Finish(evaluation, std::move(*value));
  }
  if (expr.type == ValueType::kScalar) {
    const Result<Cells> cells = OpenScalar(evaluation, expr, grid);
    if (!cells) return tl::unexpected(cells.error());
    return Finish(evaluation, {.type = ValueType::kScalar, .at = at, .scalar = (*cells)[0]});
  }
  const Result<OperatorPtr> opened = DropNames(Open(evaluation, expr, grid), options_);
  if (!opened) return tl::unexpected(opened.error());
  Result<Value> value = InstantVector(**opened, at);
  if (!value) return tl::unexpected(value.error());
  return Finish(evaluation, std::move(*value));
}

Result<Answer> Engine::Range(const Expr& expr, Time start, Time end, Millis step,
                             BootTime deadline) const {
  class Collected final : public RowSink {
   public:
    void Expect(std::size_t) override {}
    void Take(const Row& row, const Grid& grid, const Cells& cells, std::size_t present) override {
      Series series{.labels = row.Final()};
      series.points.reserve(present);
      for (std::size_t i = 0; i < grid.steps; ++i) {
        if (!IsAbsent(cells[i])) series.points.push_back({grid.At(i), cells[i]});
      }
      matrix.push_back(std::move(series));
    }
    Matrix matrix;
  };
  Collected collected;
  Result<Answer> answer = RangeInto(expr, start, end, step, deadline, collected);
  if (answer) answer->value.matrix = std::move(collected.matrix);
  return answer;
}

Result<Answer> Engine::RangeInto(const Expr& expr, Time start, Time end, Millis step,
                                 BootTime deadline, RowSink& sink) const {
  if (step <= Millis(0)) {
    return Fail(Cause::kInvalid,
                "zero or negative query resolution step widths are not accepted. Try a positive "
                "integer");
  }
  if (expr.type != ValueType::kScalar && expr.type != ValueType::kVector) {
    return Fail(Cause::kInvalid,
                "invalid expression type {} for range query, must be Scalar or instant Vector",
                Quote(ToString(expr.type)));
  }
  Value value{.type = ValueType::kMatrix, .at = end};
  Evaluation evaluation(
      deps_.samples, deps_.clock, options_,
      {.start = ToMillis(start), .end = ToMillis(end), .step = step.count(), .deadline = deadline});
  if (end < start) return Finish(evaluation, std::move(value));
  const Grid grid{.start = ToMillis(start),
                  .step = step.count(),
                  .steps = static_cast<std::size_t>((end - start) / step) + 1};
  if (Status status = evaluation.Hold(grid.steps); !status) return tl::unexpected(status.error());
  const Result<OperatorPtr> opened = DropNames(Open(evaluation, expr, grid), options_);
  if (!opened) return tl::unexpected(opened.error());
  Operator& rows = **opened;
  Evaluation::Scratch cells(evaluation, grid.steps);
  sink.Expect(rows.rows().size());
  for (const std::size_t row : OrderByLabels(rows.rows())) {
    if (Status status = rows.Fill(row, *cells); !status) return tl::unexpected(status.error());
    std::size_t present = 0;
    for (const double cell : *cells) present += IsAbsent(cell) ? 0 : 1;
    if (present == 0) continue;
    if (Status status = evaluation.Hold(present); !status) return tl::unexpected(status.error());
    sink.Take(rows.rows()[row], grid, *cells, present);
  }
  return Finish(evaluation, std::move(value));
}

}  // namespace fettle::promql
