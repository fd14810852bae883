#include "rules/promql/operator.h"

#include <algorithm>
#include <unordered_map>

#include "common/check.h"

namespace fettle::promql {
namespace {

// Rows that differ in more than what is no longer seen, told cheaply: same names everywhere, and
// no other metadata.
bool SurelyDistinct(const std::vector<Row>& rows) {
  if (rows.size() < 2) return true;
  const bool none_dropped =
      std::none_of(rows.begin(), rows.end(), [](const Row& row) { return row.nameless; });
  if (none_dropped) return true;
  const std::string_view name = rows.front().labels->Get(kMetricName);
  for (const Row& row : rows) {
    if (row.labels->Get(kMetricName) != name) return false;
    for (const auto& [label, value] : *row.labels) {
      if (label != kMetricName && IsMetricMetadata(label)) return false;
    }
  }
  return true;
}

class MergeOperator final : public Operator {
 public:
  MergeOperator(OperatorPtr child, Evaluation& evaluation,
                std::vector<std::vector<std::size_t>> members, bool strict)
      : Operator(evaluation, child->steps()),
        child_(std::move(child)),
        members_(std::move(members)),
        strict_(strict) {
    for (const auto& group : members_) {
      rows_.push_back(child_->rows()[group.front()]);
      for (const std::size_t row : group) {
        rows_.back().histograms = rows_.back().histograms || child_->rows()[row].histograms;
      }
    }
  }

  Status Fill(std::size_t row, Cells& out) override {
    const std::vector<std::size_t>& group = members_[row];
    if (Status status = child_->Fill(group.front(), out); !status) return status;
    if (group.size() == 1) return {};
    Evaluation::Scratch scratch(evaluation(), steps());
    Cells& more = *scratch;
    bool any = std::any_of(out.begin(), out.end(), [](double cell) { return !IsAbsent(cell); });
    for (std::size_t i = 1; i < group.size(); ++i) {
      if (Status status = child_->Fill(group[i], more); !status) return status;
      bool more_any = false;
      for (std::size_t step = 0; step < steps(); ++step) {
        if (IsAbsent(more[step])) continue;
        more_any = true;
        if (!IsAbsent(out[step])) return Fail("{}", kSameLabelset);
        out[step] = more[step];
      }
      if (strict_ && any && more_any) return Fail("{}", kSameLabelset);
      any = any || more_any;
    }
    return {};
  }

 private:
  const OperatorPtr child_;
  const std::vector<std::vector<std::size_t>> members_;
  const bool strict_;
};

}  // namespace

Result<Cells> FillScalar(Operator& scalar) {
  FETTLE_CHECK(scalar.rows().size() == 1);
  Cells cells(scalar.steps());
  if (Status status = scalar.Fill(0, cells); !status) return tl::unexpected(status.error());
  return cells;
}

Result<Table> Table::Of(Operator& from) {
  std::vector<std::size_t> all(from.rows().size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  return Of(from, all);
}

Result<Table> Table::Of(Operator& from, const std::vector<std::size_t>& listed) {
  Table table(from.evaluation());
  table.rows_.resize(from.rows().size());
  for (const std::size_t row : listed) {
    if (Status status = table.evaluation_->Hold(from.steps()); !status) {
      return tl::unexpected(status.error());
    }
    table.held_ += from.steps();
    table.rows_[row].resize(from.steps());
    if (Status status = from.Fill(row, table.rows_[row]); !status) {
      return tl::unexpected(status.error());
    }
  }
  return table;
}

Table::Table(Table&& other) noexcept
    : evaluation_(other.evaluation_),
      held_(std::exchange(other.held_, 0)),
      rows_(std::move(other.rows_)) {}

Table::~Table() { evaluation_->Release(held_); }

Result<OperatorPtr> TableOperator::Make(Evaluation& evaluation, std::size_t steps,
                                        std::vector<Row> rows, std::vector<Cells> cells) {
  FETTLE_CHECK(rows.size() == cells.size());
  std::unique_ptr<TableOperator> table(new TableOperator(evaluation, steps));
  if (Status status = evaluation.Hold(rows.size() * steps); !status) {
    return tl::unexpected(status.error());
  }
  table->held_ = rows.size() * steps;
  table->rows_ = std::move(rows);
  table->cells_ = std::move(cells);
  return OperatorPtr(std::move(table));
}

TableOperator::~TableOperator() { evaluation().Release(held_); }

Status TableOperator::Fill(std::size_t row, Cells& out) {
  std::copy(cells_[row].begin(), cells_[row].end(), out.begin());
  return {};
}

Result<OperatorPtr> MergeSameLabels(OperatorPtr child, Merge why) {
  const std::vector<Row>& rows = child->rows();
  if (why != Merge::kLabelsChanged && SurelyDistinct(rows)) return child;
  LabelsKeyer keyer;
  std::unordered_map<LabelsKey, std::size_t, LabelsKeyHash> known;
  std::vector<std::vector<std::size_t>> members;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto [at, fresh] = known.try_emplace(keyer.All(rows[i]), members.size());
    if (fresh) members.emplace_back();
    members[at->second].push_back(i);
  }
  if (members.size() == rows.size()) return child;
  Evaluation& evaluation = child->evaluation();
  if (why == Merge::kNothingInBoth) evaluation.NeedAllSteps();
  return OperatorPtr(std::make_unique<MergeOperator>(
      std::move(child), evaluation, std::move(members), why == Merge::kNothingInBoth));
}

}  // namespace fettle::promql
