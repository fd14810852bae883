// Aggregations that look at all values of a group together: topk, bottomk, quantile, limitk,
// limit_ratio; count_values is in count_values.cc.
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <utility>

#include "common/number.h"
#include "rules/promql/grouping.h"
#include "rules/promql/mixed_aggregations.h"
#include "rules/promql/open.h"
#include "rules/promql/statistics.h"

namespace fettle::promql {
namespace {

struct Opened {
  OperatorPtr child;
  Table table;
  std::vector<std::vector<std::size_t>> members;  // rows by group, in order
  Grouping grouping;
};

Result<Opened> OpenGroups(Evaluation& evaluation, const AggregateExpr& aggregate,
                          const Grid& grid) {
  Result<OperatorPtr> child = Open(evaluation, *aggregate.inner, grid);
  if (!child) return tl::unexpected(child.error());
  if (aggregate.op != TokenType::kLimitK && aggregate.op != TokenType::kLimitRatio) {
    child = NumbersOnly(std::move(*child), aggregate);
  }
  Result<Table> table = Table::Of(**child);
  if (!table) return tl::unexpected(table.error());
  Opened opened{
      .child = std::move(*child), .table = std::move(*table), .members = {}, .grouping = {}};
  opened.grouping = GroupRows(opened.child->rows(), aggregate.grouping, aggregate.without);
  opened.members.resize(opened.grouping.groups.size());
  for (std::size_t row = 0; row < opened.grouping.group_of.size(); ++row) {
    opened.members[opened.grouping.group_of[row]].push_back(row);
  }
  return opened;
}

struct Candidate {
  double value = 0;
  std::size_t row = 0;
};

// The best so far, the worst of them in front: Go's container/heap, so that equal values are kept
// and dropped as Prometheus does.
class Best {
 public:
  Best(std::size_t count, bool largest) : count_(count), largest_(largest) {}

  void Offer(Candidate candidate) {
    if (heap_.size() < count_) {
      heap_.push_back(candidate);
      Up(heap_.size() - 1);
      return;
    }
    const double worst = heap_.front().value;
    const bool better = largest_ ? worst < candidate.value : worst > candidate.value;
    if (!better && !(std::isnan(worst) && !std::isnan(candidate.value))) return;
    heap_.front() = candidate;
    Down(0);
  }

  // Best first.
  std::vector<Candidate> Sorted() {
    std::stable_sort(heap_.begin(), heap_.end(),
                     [&](const Candidate& a, const Candidate& b) { return Worse(b, a); });
    return std::move(heap_);
  }

 private:
  bool Worse(const Candidate& a, const Candidate& b) const {
    if (std::isnan(a.value)) return true;
    return largest_ ? a.value < b.value : a.value > b.value;
  }
  void Up(std::size_t child) {
    while (child > 0) {
      const std::size_t parent = (child - 1) / 2;
      if (!Worse(heap_[child], heap_[parent])) break;
      std::swap(heap_[child], heap_[parent]);
      child = parent;
    }
  }
  void Down(std::size_t parent) {
    for (;;) {
      std::size_t child = 2 * parent + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && Worse(heap_[child + 1], heap_[child])) ++child;
      if (!Worse(heap_[child], heap_[parent])) break;
      std::swap(heap_[child], heap_[parent]);
      parent = child;
    }
  }

  const std::size_t count_;
  const bool largest_;
  std::vector<Candidate> heap_;
};

Status CheckCount(const Cells& counts) {
  for (const double count : counts) {
    if (std::isnan(count)) return Fail("Parameter value is NaN");
    if (count <= -9223372036854775808.0) {
      return Fail("Scalar value {} underflows int64", FormatFloat(count));
    }
    if (count >= 9223372036854775808.0) {
      return Fail("Scalar value {} overflows int64", FormatFloat(count));
    }
  }
  return {};
}

// Which rows of a group are kept at a step, in the order to show them.
class Chooser {
 public:
  Chooser(const AggregateExpr& aggregate, const Opened& opened, const Cells& parameters)
      : op_(aggregate.op), opened_(opened), parameters_(parameters) {
    if (op_ != TokenType::kLimitRatio) return;
    for (const Row& row : opened_.child->rows()) places_.push_back(PlaceOf(*row.Seen()));
  }

  std::vector<std::size_t> Choose(std::size_t group, std::size_t step) const {
    std::vector<std::size_t> chosen;
    if (op_ == TokenType::kLimitRatio) return ChooseRatio(group, step);
    const auto most = static_cast<double>(opened_.child->rows().size());
    const double wanted = std::min(std::trunc(parameters_[step]), most);
    if (wanted < 1) return chosen;
    const auto count = static_cast<std::size_t>(wanted);
    if (op_ == TokenType::kLimitK) {
      for (const std::size_t row : opened_.members[group]) {
        if (chosen.size() == count) break;
        if (!IsAbsent(opened_.table[row][step])) chosen.push_back(row);
      }
      return chosen;
    }
    Best best(count, op_ == TokenType::kTopK);
    for (const std::size_t row : opened_.members[group]) {
      const double value = opened_.table[row][step];
      if (!IsAbsent(value)) best.Offer({value, row});
    }
    for (const Candidate& candidate : best.Sorted()) chosen.push_back(candidate.row);
    return chosen;
  }

 private:
  std::vector<std::size_t> ChooseRatio(std::size_t group, std::size_t step) const {
    const double ratio = std::clamp(parameters_[step], -1.0, 1.0);
    std::vector<std::size_t> chosen;
    for (const std::size_t row : opened_.members[group]) {
      if (IsAbsent(opened_.table[row][step])) continue;
      const double place = places_[row];
      if (ratio >= 0 ? place < ratio : place >= 1.0 + ratio) chosen.push_back(row);
    }
    return ratio == 0 ? std::vector<std::size_t>() : chosen;
  }

  // In [0, 1): XXH64 of the labels as Prometheus' stringlabels lay them out in memory.
  static double PlaceOf(const Labels& labels) {
    std::string bytes;
    const auto add = [&bytes](std::string_view text) {
      if (text.size() < 255) {
        bytes += static_cast<char>(text.size());
      } else {
        bytes += '\xff';
        for (int shift = 0; shift < 24; shift += 8) {
          bytes += static_cast<char>((text.size() >> shift) & 0xff);
        }
      }
      bytes += text;
    };
    for (const auto& [name, value] : labels) {
      add(name);
      add(value);
    }
    return static_cast<double>(XXH64(bytes.data(), bytes.size(), 0)) / 18446744073709551615.0;
  }

  const TokenType op_;
  const Opened& opened_;
  const Cells& parameters_;
  std::vector<double> places_;  // of limit_ratio: where each row lies
};

void WarnOfRatio(Evaluation& evaluation, const AggregateExpr& aggregate, const Cells& ratios) {
  const auto warn = [&](double ratio, int capped) {
    evaluation.Warn(aggregate.parameter->span,
                    fmt::format("PromQL warning: ratio value should be between -1 and 1, got {}, "
                                "capping to {}",
                                FormatFloat(ratio), capped));
  };
  const auto [least, most] = std::minmax_element(ratios.begin(), ratios.end());
  if (*most > 1) warn(*most, 1);
  if (*least < -1) warn(*least, -1);
}

Result<OperatorPtr> OpenChoice(Evaluation& evaluation, const AggregateExpr& aggregate,
                               const Grid& grid) {
  const Result<Cells> parameters = OpenScalar(evaluation, *aggregate.parameter, grid);
  if (!parameters) return tl::unexpected(parameters.error());
  const Result<Opened> opened = OpenGroups(evaluation, aggregate, grid);
  if (!opened) return tl::unexpected(opened.error());
  if (aggregate.op == TokenType::kLimitRatio) {
    for (const double ratio : *parameters) {
      if (std::isnan(ratio)) return Fail("Ratio value is NaN");
    }
    WarnOfRatio(evaluation, aggregate, *parameters);
  } else if (Status status = CheckCount(*parameters); !status) {
    return tl::unexpected(status.error());
  }
  const Chooser chooser(aggregate, *opened, *parameters);
  std::vector<Row> rows;
  std::vector<Cells> cells;
  std::unordered_map<std::size_t, std::size_t> place;  // of a row in the answer
  for (std::size_t group = 0; group < opened->members.size(); ++group) {
    for (std::size_t step = 0; step < grid.steps; ++step) {
      if (Status status = evaluation.Spend(opened->members[group].size()); !status) {
        return tl::unexpected(status.error());
      }
      for (const std::size_t row : chooser.Choose(group, step)) {
        const auto [at, fresh] = place.try_emplace(row, rows.size());
        if (fresh) {
          rows.push_back(opened->child->rows()[row]);
          cells.emplace_back(grid.steps, Absent());
        }
        cells[at->second][step] = opened->table[row][step];
      }
    }
  }
  return TableOperator::Make(evaluation, grid.steps, std::move(rows), std::move(cells));
}

Result<OperatorPtr> OpenQuantile(Evaluation& evaluation, const AggregateExpr& aggregate,
                                 const Grid& grid) {
  const Result<Cells> parameters = OpenScalar(evaluation, *aggregate.parameter, grid);
  if (!parameters) return tl::unexpected(parameters.error());
  Result<Opened> opened = OpenGroups(evaluation, aggregate, grid);
  if (!opened) return tl::unexpected(opened.error());
  for (const double q : *parameters) {
    if (q >= 0 && q <= 1) continue;
    evaluation.Warn(aggregate.parameter->span,
                    fmt::format("PromQL warning: quantile value should be between 0 and 1, got {}",
                                FormatFloat(q)));
  }
  std::vector<Cells> cells;
  std::vector<double> values;
  for (const std::vector<std::size_t>& members : opened->members) {
    Cells out(grid.steps, Absent());
    for (std::size_t step = 0; step < grid.steps; ++step) {
      if (Status status = evaluation.Spend(members.size()); !status) {
        return tl::unexpected(status.error());
      }
      values.clear();
      for (const std::size_t row : members) {
        const double value = opened->table[row][step];
        if (!IsAbsent(value)) values.push_back(value);
      }
      if (!values.empty()) out[step] = Quantile((*parameters)[step], values);
    }
    cells.push_back(std::move(out));
  }
  return TableOperator::Make(evaluation, grid.steps, std::move(opened->grouping.groups),
                             std::move(cells));
}

}  // namespace

Result<OperatorPtr> OpenRankedAggregate(Evaluation& evaluation, const AggregateExpr& aggregate,
                                        const Grid& grid) {
  switch (aggregate.op) {
    case TokenType::kQuantile:
      return OpenQuantile(evaluation, aggregate, grid);
    case TokenType::kCountValues:
      return OpenCountValues(evaluation, aggregate, grid);
    default:
      return OpenChoice(evaluation, aggregate, grid);
  }
}

}  // namespace fettle::promql
