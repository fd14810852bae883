// count_values: a row for each value, which says how often it occurs at each step.
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "common/number.h"
#include "rules/promql/grouping.h"
#include "rules/promql/native_histogram.h"
#include "rules/promql/open.h"

namespace fettle::promql {
namespace {

// How often one value occurs, by step. Of a counter each value occurs at one step or a few in a
// row, so one number of many steps is kept as that.
class Counts {
 public:
  // About what one takes before it has a cell for every step.
  static constexpr std::size_t kNumbers = 8;

  // Once more at this step. True if it has got its cells by that.
  bool Add(std::size_t step, std::size_t steps) {
    if (cells_.empty() && (count_ == 0 || step_ == step)) {
      step_ = step;
      ++count_;
      return false;
    }
    const bool first = cells_.empty();
    if (first) {
      cells_.assign(steps, Absent());
      cells_[step_] = count_;
    }
    double& cell = cells_[step];
    cell = IsAbsent(cell) ? 1 : cell + 1;
    return first;
  }
  void Fill(Cells& out) const {
    if (!cells_.empty()) {
      std::copy(cells_.begin(), cells_.end(), out.begin());
    } else {
      std::fill(out.begin(), out.end(), Absent());
      out[step_] = count_;
    }
  }
  std::size_t numbers() const { return kNumbers + cells_.size(); }

 private:
  std::size_t step_ = 0;  // of the only one
  double count_ = 0;
  Cells cells_;
};

class CountedOperator final : public Operator {
 public:
  static Result<OperatorPtr> Make(Evaluation& evaluation, std::size_t steps, std::vector<Row> rows,
                                  std::vector<Counts> counts) {
    std::unique_ptr<CountedOperator> made(new CountedOperator(evaluation, steps));
    std::size_t numbers = 0;
    for (const Counts& one : counts) numbers += one.numbers();
    if (Status status = evaluation.Hold(numbers); !status) return tl::unexpected(status.error());
    made->held_ = numbers;
    made->rows_ = std::move(rows);
    made->counts_ = std::move(counts);
    return OperatorPtr(std::move(made));
  }
  ~CountedOperator() override { evaluation().Release(held_); }

  Status Fill(std::size_t row, Cells& out) override {
    counts_[row].Fill(out);
    return {};
  }

 private:
  using Operator::Operator;
  std::vector<Counts> counts_;
  std::size_t held_ = 0;
};

class ValueCounter {
 public:
  ValueCounter(Evaluation& evaluation, const AggregateExpr& aggregate, std::string label,
               const Grid& grid)
      : evaluation_(evaluation),
        label_(std::move(label)),
        names_(aggregate.grouping),
        without_(aggregate.without),
        grid_(grid) {
    const bool listed = std::find(names_.begin(), names_.end(), label_) != names_.end();
    dropped_ = without_ && (listed || label_ == kMetricName);
    // A row's own label of this name never counts.
    if (without_) names_.push_back(label_);
    if (!without_) std::erase(names_, label_);
    std::sort(names_.begin(), names_.end());
  }

  Status Count(Operator& child) {
    Evaluation::Scratch scratch(evaluation_, grid_.steps);
    for (std::size_t i = 0; i < child.rows().size(); ++i) {
      const Evaluation::HistogramScope scope(evaluation_);
      Status status = child.Fill(i, *scratch);
      if (status) status = evaluation_.Spend(grid_.steps);
      if (!status) return status;
      const std::size_t group = GroupOf(child.rows()[i]);
      for (std::size_t step = 0; step < grid_.steps; ++step) {
        const double value = (*scratch)[step];
        if (IsAbsent(value)) continue;
        const Result<std::size_t> row = RowFor(group, value);
        if (!row) return tl::unexpected(row.error());
        if (Status added = Add(counts_[*row], step); !added) return added;
      }
    }
    return {};
  }

  Result<OperatorPtr> Take() {
    evaluation_.Release(held_);
    return CountedOperator::Make(evaluation_, grid_.steps, std::move(rows_), std::move(counts_));
  }

 private:
  // A value within a group, by its bits.
  struct Counted {
    std::uint64_t bits = 0;
    std::size_t group = 0;
    bool operator==(const Counted&) const = default;
  };
  struct CountedHash {
    std::size_t operator()(const Counted& counted) const {
      return static_cast<std::size_t>(XXH3_64bits(&counted, sizeof(counted)));
    }
  };

  std::size_t GroupOf(const Row& row) {
    const LabelsKey key = without_ ? keyer_.Without(row, names_) : keyer_.Only(row, names_);
    const auto [at, fresh] = by_labels_.try_emplace(key, groups_.size());
    if (fresh) groups_.push_back(without_ ? DropLabels(row, names_) : KeepLabels(row, names_));
    return at->second;
  }

  // The same for histograms that are shown the same.
  std::uint64_t BitsOf(double value) {
    if (IsHistogramCell(value)) {
      const std::string text = Show(*evaluation_.HistogramAt(value));
      const double cell =
          HistogramCell(histograms_.try_emplace(text, histograms_.size()).first->second);
      return std::bit_cast<std::uint64_t>(cell);
    }
    return std::isnan(value) ? 0x7ff8000000000001ULL : std::bit_cast<std::uint64_t>(value);
  }

  Result<std::size_t> RowFor(std::size_t group, double value) {
    const Counted counted{dropped_ ? 0 : BitsOf(value), group};
    const auto [at, fresh] = by_value_.try_emplace(counted, rows_.size());
    if (!fresh) return at->second;
    if (Status status = Hold(Counts::kNumbers); !status) return tl::unexpected(status.error());
    Labels outcome = groups_[group];
    if (!dropped_) {
      outcome.Set(label_, IsHistogramCell(value) ? Show(*evaluation_.HistogramAt(value))
                                                 : FormatFloatFixed(value));
    }
    rows_.push_back({.labels = std::make_shared<const Labels>(std::move(outcome))});
    counts_.emplace_back();
    return at->second;
  }

  Status Add(Counts& counts, std::size_t step) {
    if (!counts.Add(step, grid_.steps)) return {};
    return Hold(grid_.steps);
  }
  Status Hold(std::size_t numbers) {
    if (Status status = evaluation_.Hold(numbers); !status) return status;
    held_ += numbers;
    return {};
  }

  Evaluation& evaluation_;
  const std::string label_;
  std::vector<std::string> names_;
  const bool without_;
  bool dropped_ = false;  // the label goes again: values are counted together
  const Grid grid_;
  LabelsKeyer keyer_;
  std::unordered_map<LabelsKey, std::size_t, LabelsKeyHash> by_labels_;
  std::vector<Labels> groups_;  // without the values' label
  std::unordered_map<std::string, std::size_t> histograms_;
  std::unordered_map<Counted, std::size_t, CountedHash> by_value_;
  std::vector<Row> rows_;
  std::vector<Counts> counts_;
  std::size_t held_ = 0;
};

}  // namespace

Result<OperatorPtr> OpenCountValues(Evaluation& evaluation, const AggregateExpr& aggregate,
                                    const Grid& grid) {
  const std::string label = As<StringLiteral>(Unwrap(*aggregate.parameter))->value;
  if (label.empty() || !IsUtf8(label)) return Fail("invalid label name {}", Quote(label));
  const Result<OperatorPtr> child = Open(evaluation, *aggregate.inner, grid);
  if (!child) return tl::unexpected(child.error());
  ValueCounter counter(evaluation, aggregate, label, grid);
  if (Status status = counter.Count(**child); !status) return tl::unexpected(status.error());
  return counter.Take();
}

}  // namespace fettle::promql
