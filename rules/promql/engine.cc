#include "rules/promql/engine.h"

#include <algorithm>
#include <array>
#include <latch>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>

#include "rules/promql/evaluation.h"
#include "rules/promql/open.h"
#include "rules/promql/range_source.h"
#include "rules/promql/renamed_operator.h"
#include "rules/promql/workload.h"

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
  std::vector<Row> rows = (*opened)->rows();
  for (Row& row : rows) row.nameless = row.nameless || row.drop_name;
  return MergeSameLabels(std::make_unique<RenamedOperator>(std::move(*opened), std::move(rows)),
                         Merge::kLabelsChanged);
}

Result<Value> InstantVector(Operator& from, Time at) {
  Value value{.type = ValueType::kVector, .at = at};
  Cells cell(1);
  for (std::size_t row = 0; row < from.rows().size(); ++row) {
    if (Status status = from.Fill(row, cell); !status) return tl::unexpected(status.error());
    if (IsAbsent(cell[0])) continue;
    HistogramPtr histogram;
    if (IsHistogramCell(cell[0])) {
      histogram = from.evaluation().HistogramAt(cell[0]);
      cell[0] = 0;
    }
    value.vector.push_back({from.rows()[row].Final(), cell[0], std::move(histogram)});
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
      const double point = samples.values[i];
      if (IsHistogramCell(point)) {
        series.histograms.push_back(
            {samples.times[i], samples.histograms[rules::HistogramPlace(point)]});
      } else {
        series.points.push_back({samples.times[i], point});
      }
    }
    value.matrix.push_back(std::move(series));
  }
  return value;
}

void SortByLabels(Matrix& matrix) {
  std::sort(matrix.begin(), matrix.end(),
            [](const Series& a, const Series& b) { return *a.labels < *b.labels; });
}

const Labels::Pair* FirstSeen(const Row& row) {
  for (const Labels::Pair& pair : *row.labels) {
    if (!row.Hides(pair.first)) return &pair;
  }
  return nullptr;
}

// Eight bytes of each row's first label, from where they begin to differ: most rows are told apart
// by them. All zero where the rows do not begin with the same label.
std::vector<std::uint64_t> Beginnings(const std::vector<Row>& rows) {
  std::vector<std::uint64_t> beginnings(rows.size(), 0);
  const Labels::Pair* const first = rows.empty() ? nullptr : FirstSeen(rows.front());
  if (first == nullptr) return beginnings;
  std::size_t common = first->second.size();
  for (const Row& row : rows) {
    const Labels::Pair* const pair = FirstSeen(row);
    if (pair == nullptr || pair->first != first->first) return beginnings;
    const std::size_t most = std::min(common, pair->second.size());
    std::size_t same = 0;
    while (same < most && pair->second[same] == first->second[same]) ++same;
    common = same;
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string& value = FirstSeen(rows[i])->second;
    for (std::size_t byte = 0; byte < 8; ++byte) {
      const std::size_t at = common + byte;
      const auto c = at < value.size() ? static_cast<unsigned char>(value[at]) : 0U;
      beginnings[i] = beginnings[i] << 8 | c;
    }
  }
  return beginnings;
}

// The store's order is often the answer's already.
std::vector<std::size_t> OrderByLabels(const std::vector<Row>& rows) {
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::vector<std::uint64_t> beginnings = Beginnings(rows);
  const auto before = [&](std::size_t a, std::size_t b) {
    if (beginnings[a] != beginnings[b]) return beginnings[a] < beginnings[b];
    return FinallyBefore(rows[a], rows[b]);
  };
  if (!std::is_sorted(order.begin(), order.end(), before)) {
    std::stable_sort(order.begin(), order.end(), before);
  }
  return order;
}

// An expression over some of a query's steps.
class StepRun {
 public:
  StepRun(const Engine::Deps& deps, const EngineOptions& options, const Evaluation::Query& query,
          const Grid& grid, Budget& budget)
      : options_(options),
        query_(query),
        grid_(grid),
        evaluation_(deps.samples, deps.clock, options_, query, budget) {}

  Status Open(const Expr& expr) {
    if (Status status = evaluation_.Hold(grid_.steps); !status) return status;
    Result<OperatorPtr> opened = DropNames(promql::Open(evaluation_, expr, grid_), options_);
    if (!opened) return tl::unexpected(opened.error());
    rows_ = std::move(*opened);
    return {};
  }

  Status GiveTo(RowSink& sink) {
    Evaluation::Scratch cells(evaluation_, grid_.steps);
    sink.Expect(rows_->rows().size());
    for (const std::size_t row : OrderByLabels(rows_->rows())) {
      const Evaluation::HistogramScope scope(evaluation_);
      if (Status status = rows_->Fill(row, *cells); !status) return status;
      std::size_t present = 0;
      for (const double cell : *cells) present += IsAbsent(cell) ? 0 : 1;
      if (present == 0) continue;
      if (Status status = evaluation_.Hold(present); !status) return status;
      sink.Take(rows_->rows()[row], grid_, *cells, present, evaluation_.histograms());
    }
    return {};
  }

  bool needs_all_steps() const { return evaluation_.needs_all_steps(); }
  void Absorb(const StepRun& later) { evaluation_.Absorb(later.evaluation_); }
  Answer Finish() {
    return promql::Finish(evaluation_,
                          {.type = ValueType::kMatrix, .at = TimeFromMillis(query_.end)});
  }

 private:
  const EngineOptions options_;
  const Evaluation::Query query_;
  const Grid grid_;
  Evaluation evaluation_;
  OperatorPtr rows_;
};

// The first half of the steps here, the second one on another thread: no step depends on another.
// Nullopt, and nothing given to the sinks, if the query is one of the few that look at all steps.
Result<std::optional<Answer>> RunHalves(const Engine::Deps& deps, const EngineOptions& options,
                                        const Expr& expr, const Evaluation::Query& query,
                                        const Grid& grid, RowSink& sink, RowSink& later) {
  const std::size_t half = grid.steps / 2;
  Budget budget(options.samples_max);
  StepRun first(deps, options, query, {grid.start, grid.step, half}, budget);
  StepRun second(deps, options, query, {grid.At(half), grid.step, grid.steps - half}, budget);
  std::latch both_open(2);
  std::array<Status, 2> opened;
  Status ran;
  Status ran_later;
  const auto run = [&](StepRun& mine, Status& mine_opened, RowSink& to) -> Status {
    mine_opened = mine.Open(expr);
    both_open.arrive_and_wait();
    const bool whole = first.needs_all_steps() || second.needs_all_steps();
    if (whole || !opened[0] || !opened[1]) return {};
    return mine.GiveTo(to);
  };
  {
    const std::jthread helper([&] { ran_later = run(second, opened[1], later); });
    ran = run(first, opened[0], sink);
  }
  if (first.needs_all_steps() || second.needs_all_steps()) return std::optional<Answer>();
  for (const Status& status : {opened[0], opened[1], ran, ran_later}) {
    if (!status) return tl::unexpected(status.error());
  }
  first.Absorb(second);
  return first.Finish();
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
  Budget budget(options_.samples_max);
  Evaluation evaluation(deps_.samples, deps_.clock, options_,
                        {.start = now, .end = now, .step = 0, .deadline = deadline}, budget);
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
    void Take(const Row& row, const Grid& grid, const Cells& cells, std::size_t present,
              std::span<const HistogramPtr> histograms) override {
      Series series{.labels = row.Final()};
      series.points.reserve(present);
      for (std::size_t i = 0; i < grid.steps; ++i) {
        if (IsAbsent(cells[i])) continue;
        if (row.histograms && IsHistogramCell(cells[i])) {
          series.histograms.push_back({grid.At(i), histograms[rules::HistogramPlace(cells[i])]});
        } else {
          series.points.push_back({grid.At(i), cells[i]});
        }
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
  if (end < start) return Answer{.value = {.type = ValueType::kMatrix, .at = end}};
  const Evaluation::Query query{
      .start = ToMillis(start), .end = ToMillis(end), .step = step.count(), .deadline = deadline};
  const Grid grid{.start = query.start,
                  .step = query.step,
                  .steps = static_cast<std::size_t>((end - start) / step) + 1};
  if (WorthTwoThreads(EstimateWorkload(deps_.samples, expr), end - start, grid.steps,
                      options_.cells_for_two_threads)) {
    if (RowSink* const later = sink.Later()) {
      Result<std::optional<Answer>> answer =
          RunHalves(deps_, options_, expr, query, grid, sink, *later);
      if (!answer) return tl::unexpected(answer.error());
      if (*answer) return *std::move(*answer);
    }
  }
  Budget budget(options_.samples_max);
  StepRun run(deps_, options_, query, grid, budget);
  Status status = run.Open(expr);
  if (status) status = run.GiveTo(sink);
  if (!status) return tl::unexpected(status.error());
  return run.Finish();
}

}  // namespace fettle::promql
