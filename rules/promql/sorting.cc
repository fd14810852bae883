// sort, sort_desc, sort_by_label, sort_by_label_desc: the order of an instant answer.
#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "rules/promql/function_table.h"
#include "rules/promql/map_operator.h"
#include "rules/promql/natural_order.h"
#include "rules/promql/open.h"

namespace fettle::promql {
namespace {

class OrderedOperator final : public Operator {
 public:
  OrderedOperator(OperatorPtr child, std::vector<std::size_t> order)
      : Operator(child->evaluation(), child->steps()),
        child_(std::move(child)),
        order_(std::move(order)) {
    for (const std::size_t row : order_) rows_.push_back(child_->rows()[row]);
  }
  Status Fill(std::size_t row, Cells& out) override { return child_->Fill(order_[row], out); }

 private:
  const OperatorPtr child_;
  const std::vector<std::size_t> order_;
};

// Sorting by value leaves histograms out, even where there is nothing to sort.
class WithoutHistograms final : public Operator {
 public:
  explicit WithoutHistograms(OperatorPtr child)
      : Operator(child->evaluation(), child->steps()), child_(std::move(child)) {
    rows_ = child_->rows();
    for (Row& row : rows_) row.histograms = false;
  }
  Status Fill(std::size_t row, Cells& out) override {
    const Status status = child_->Fill(row, out);
    for (double& cell : out) {
      if (IsHistogramCell(cell)) cell = Absent();
    }
    return status;
  }

 private:
  const OperatorPtr child_;
};

OperatorPtr WithoutAnyHistograms(OperatorPtr child) {
  if (!AnyHistograms(child->rows())) return child;
  return std::make_unique<WithoutHistograms>(std::move(child));
}

// NaN last, either way.
Result<std::vector<std::size_t>> OrderByValue(Operator& child, bool descending) {
  Cells value(1);
  std::vector<std::pair<double, std::size_t>> present;
  for (std::size_t row = 0; row < child.rows().size(); ++row) {
    if (Status status = child.Fill(row, value); !status) return tl::unexpected(status.error());
    if (!IsAbsent(value[0]) && !IsHistogramCell(value[0])) present.emplace_back(value[0], row);
  }
  std::stable_sort(present.begin(), present.end(), [&](const auto& a, const auto& b) {
    if (std::isnan(a.first) || std::isnan(b.first)) return !std::isnan(a.first);
    return descending ? a.first > b.first : a.first < b.first;
  });
  std::vector<std::size_t> order;
  for (const auto& [v, row] : present) order.push_back(row);
  return order;
}

std::vector<std::size_t> OrderByLabels(const Operator& child, const Call& call, bool descending) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i < call.arguments.size(); ++i) {
    names.push_back(As<StringLiteral>(Unwrap(*call.arguments[i]))->value);
  }
  std::vector<LabelsPtr> labels;
  std::vector<std::size_t> order;
  for (const Row& row : child.rows()) {
    order.push_back(labels.size());
    labels.push_back(row.Seen());
  }
  const auto before = [&](const Labels& a, const Labels& b) {
    for (const std::string& name : names) {
      if (a.Get(name) != b.Get(name)) return NaturallyBefore(a.Get(name), b.Get(name));
    }
    return a < b;
  };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return descending ? before(*labels[b], *labels[a]) : before(*labels[a], *labels[b]);
  });
  return order;
}

}  // namespace

Result<OperatorPtr> OpenSort(Evaluation& evaluation, const Call& call, const Grid& grid) {
  Result<OperatorPtr> child = Open(evaluation, *call.arguments[0], grid);
  if (!child) return child;
  const FunctionId id = call.function->id;
  const bool by_value = id == FunctionId::kSort || id == FunctionId::kSortDesc;
  if (by_value && grid.steps > 1) child = WithoutAnyHistograms(std::move(*child));
  if (evaluation.query().step > 0) {
    evaluation.Warn(call.span,
                    "PromQL warning: sort is ineffective for range queries since results are "
                    "always ordered by labels");
    return child;
  }
  if (grid.steps > 1) return child;  // within a subquery
  std::vector<std::size_t> order;
  if (by_value) {
    Result<std::vector<std::size_t>> sorted = OrderByValue(**child, id == FunctionId::kSortDesc);
    if (!sorted) return tl::unexpected(sorted.error());
    order = std::move(*sorted);
  } else {
    order = OrderByLabels(**child, call, id == FunctionId::kSortByLabelDesc);
  }
  return OperatorPtr(std::make_unique<OrderedOperator>(std::move(*child), std::move(order)));
}

}  // namespace fettle::promql
