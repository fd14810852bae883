// Arithmetic and comparison between two vectors.
//
// Labels do not change from step to step, so rows are matched once. Where each pair is the only one
// with its signature, pairs are streamed; everything else (two rows that share a signature and may
// take turns, fill modifiers) goes step by step, with Prometheus' checks at each.
#include <algorithm>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "rules/promql/arithmetic.h"
#include "rules/promql/cell_arithmetic.h"
#include "rules/promql/open.h"

namespace fettle::promql {
namespace {

// What the operator is to compute, with "many" and "one" in place of left and right.
struct Plan {
  const BinaryExpr& binary;
  bool swapped = false;             // one is on the left
  std::vector<std::string> labels;  // sorted

  const VectorMatching& matching() const { return binary.matching; }
  bool one_to_one() const { return matching().cardinality == Cardinality::kOneToOne; }
  LabelsKey Signature(LabelsKeyer& keyer, const Row& row) const {
    return matching().on ? keyer.Only(row, labels) : keyer.Without(row, labels);
  }
  // What a pair's outcome is called. `one` may lack everything but the matching labels.
  Row Outcome(const Evaluation& evaluation, const Row& many, const Row& one) const;
};

Row Plan::Outcome(const Evaluation& evaluation, const Row& many, const Row& one) const {
  Row row{.labels = many.labels, .nameless = many.nameless || ChangesMetric(binary.op)};
  const bool keep_only = one_to_one() && matching().on;
  const bool drop_some = one_to_one() && !matching().on && !labels.empty();
  if (keep_only) {
    row = {.labels = std::make_shared<const Labels>(KeepLabels(row, labels))};
  } else if (drop_some || !matching().include.empty()) {
    Labels changed = *row.Seen();
    if (drop_some) {
      for (const std::string& label : labels) changed.Remove(label);
    }
    for (const std::string& label : matching().include) changed.Set(label, one.Get(label));
    row = {.labels = std::make_shared<const Labels>(std::move(changed))};
  }
  if (binary.return_bool) {
    (evaluation.options().delayed_name_removal ? row.drop_name : row.nameless) = true;
  }
  return row;
}

// One cell of the outcome: Absent() if the comparison filters it out.
template <typename Operation>
double Combine(const Operation& operation, const Plan& plan, double many, double one) {
  const double left = plan.swapped ? one : many;
  const double right = plan.swapped ? many : one;
  if constexpr (std::is_same_v<decltype(operation(0.0, 0.0)), bool>) {
    const bool holds = operation(left, right);
    if (plan.binary.return_bool) return holds ? 1 : 0;
    return holds ? left : Absent();
  } else {
    return operation(left, right);
  }
}

struct Pair {
  std::size_t many = 0;
  std::size_t one = 0;
};

// Pairs that have nothing to do with each other.
template <typename Operation>
class PairOperator final : public Operator {
 public:
  PairOperator(const Plan& plan, OperatorPtr many, OperatorPtr one, std::vector<Pair> pairs,
               std::vector<Row> rows, std::optional<Table> ones, Operation operation)
      : Operator(many->evaluation(), many->steps()),
        plan_(plan),
        many_(std::move(many)),
        one_(std::move(one)),
        pairs_(std::move(pairs)),
        ones_(std::move(ones)),
        operation_(operation) {
    rows_ = std::move(rows);
  }

  Status Fill(std::size_t row, Cells& out) override {
    if (Status status = many_->Fill(pairs_[row].many, out); !status) return status;
    if (ones_) return CombineWith((*ones_)[pairs_[row].one], out);
    Evaluation::Scratch scratch(evaluation(), steps());
    if (Status status = one_->Fill(pairs_[row].one, *scratch); !status) return status;
    return CombineWith(*scratch, out);
  }

 private:
  Status CombineWith(const Cells& one, Cells& out) {
    for (std::size_t step = 0; step < steps(); ++step) {
      const bool both = !IsAbsent(out[step]) && !IsAbsent(one[step]);
      out[step] = both ? Combine(operation_, plan_, out[step], one[step]) : Absent();
    }
    return evaluation().Spend(steps());
  }

  const Plan plan_;
  const OperatorPtr many_;
  const OperatorPtr one_;
  const std::vector<Pair> pairs_;
  const std::optional<Table> ones_;  // in many-to-one, each is used again and again
  const Operation operation_;
};

// Everything, step by step.
class StepMatcher {
 public:
  StepMatcher(const Plan& plan, Operator& many, Operator& one)
      : plan_(plan),
        evaluation_(many.evaluation()),
        arithmetic_(evaluation_, plan.binary),
        histograms_(!plan.binary.return_bool &&
                    (AnyHistograms(many.rows()) || AnyHistograms(one.rows()))),
        many_(many),
        one_(one) {
    LabelsKeyer keyer;
    many_signatures_ = Signatures(keyer, many);
    one_signatures_ = Signatures(keyer, one);
  }

  Result<OperatorPtr> Run() {
    Result<Table> many = Table::Of(many_);
    if (!many) return tl::unexpected(many.error());
    Result<Table> one = Table::Of(one_);
    if (!one) return tl::unexpected(one.error());
    const std::size_t steps = many_.steps();
    for (std::size_t step = 0; step < steps; ++step) {
      if (Status status = RunStep(*many, *one, step); !status) {
        return tl::unexpected(status.error());
      }
    }
    return TableOperator::Make(evaluation_, steps, std::move(rows_), std::move(cells_));
  }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  std::vector<std::size_t> Signatures(LabelsKeyer& keyer, const Operator& side) {
    std::vector<std::size_t> out;
    for (const Row& row : side.rows()) {
      out.push_back(known_.try_emplace(plan_.Signature(keyer, row), known_.size()).first->second);
    }
    return out;
  }

  double CombineCells(double many, double one) const {
    return arithmetic_.Combine(plan_.swapped ? one : many, plan_.swapped ? many : one);
  }

  Status RunStep(const Table& many, const Table& one, std::size_t step) {
    const std::size_t work = many_signatures_.size() + one_signatures_.size();
    if (Status status = evaluation_.Spend(work); !status) return status;
    const auto present = [&](const Table& side, std::size_t rows) {
      for (std::size_t row = 0; row < rows; ++row) {
        if (!IsAbsent(side[row][step])) return true;
      }
      return false;
    };
    const bool any_many = present(many, many_signatures_.size());
    const bool any_one = present(one, one_signatures_.size());
    const VectorMatching& matching = plan_.matching();
    const bool fills = matching.fill_left || matching.fill_right;
    if ((!any_many || !any_one) && !fills) return {};
    if (Status status = FindOnes(one, step); !status) return status;
    matched_.assign(known_.size(), false);
    outcomes_.clear();
    // Upstream's fill_right stands in for the one side and fill_left for the many, also where
    // group_right has them the other way round.
    const std::optional<double> fill_one = matching.fill_right;
    for (std::size_t row = 0; row < many_signatures_.size(); ++row) {
      if (IsAbsent(many[row][step])) continue;
      const std::size_t signature = many_signatures_[row];
      const std::size_t found = ones_[signature];
      if (found == kNone && !fill_one) continue;
      const double value = found == kNone ? *fill_one : one[found][step];
      const Status status = Add(row, found, step, CombineCells(many[row][step], value));
      if (!status) return status;
    }
    const std::optional<double> fill_many = matching.fill_left;
    if (!fill_many) return {};
    for (std::size_t row = 0; row < one_signatures_.size(); ++row) {
      if (IsAbsent(one[row][step]) || matched_[one_signatures_[row]]) continue;
      const Status status = Add(kNone, row, step, CombineCells(*fill_many, one[row][step]));
      if (!status) return status;
    }
    return {};
  }

  Status FindOnes(const Table& one, std::size_t step) {
    ones_.assign(known_.size(), kNone);
    for (std::size_t row = 0; row < one_signatures_.size(); ++row) {
      if (IsAbsent(one[row][step])) continue;
      std::size_t& found = ones_[one_signatures_[row]];
      if (found != kNone) return RefuseDuplicate(found, row);
      found = row;
    }
    return {};
  }

  // Both present, with the same signature, on the side that must be unique.
  Status RefuseDuplicate(std::size_t first, std::size_t second) const {
    const Row& row = one_.rows()[second];
    const Labels group =
        plan_.matching().on ? KeepLabels(row, plan_.labels) : DropLabels(row, plan_.labels);
    std::vector<std::string> both = {Show(row), Show(one_.rows()[first])};
    std::sort(both.begin(), both.end());
    return Fail(
        "found duplicate series for the match group {} on the {} hand-side of the operation: "
        "[{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
        ShowLabels(group), plan_.swapped ? "left" : "right", both[0], both[1]);
  }

  // As Go prints labels: the name among them.
  static std::string ShowLabels(const Labels& labels) {
    std::string out;
    for (const auto& [name, value] : labels) {
      if (!out.empty()) out += ", ";
      out += fmt::format("{}={}", IsLabelName(name) ? name : Quote(name), Quote(value));
    }
    return "{" + out + "}";
  }
  static std::string Show(const Row& row) { return ShowLabels(*row.Seen()); }

  // The row standing in for one that is missing has the matching labels alone.
  Row StandIn(const Row& other) const {
    return {.labels = std::make_shared<const Labels>(plan_.matching().on
                                                         ? KeepLabels(other, plan_.labels)
                                                         : DropLabels(other, plan_.labels))};
  }

  Status Add(std::size_t many, std::size_t one, std::size_t step, double value) {
    const std::size_t signature = many == kNone ? one_signatures_[one] : many_signatures_[many];
    const std::size_t row = OutcomeRow(many, one);
    if (plan_.one_to_one()) {
      if (matched_[signature]) {
        return Fail(
            "multiple matches for labels: many-to-one matching must be explicit "
            "(group_left/group_right)");
      }
    } else {
      if (!outcomes_.insert(row * known_.size() + signature).second) {
        return Fail("multiple matches for labels: grouping labels must ensure unique matches");
      }
    }
    matched_[signature] = true;
    if (IsAbsent(value)) return {};
    if (!IsAbsent(cells_[row][step])) return Fail("{}", kSameLabelset);
    cells_[row][step] = value;
    return {};
  }

  // Found by who takes part, then by labels: different pairs may have the same outcome.
  std::size_t OutcomeRow(std::size_t many, std::size_t one) {
    const auto [at, fresh] = by_pair_.try_emplace(many * (one_.rows().size() + 1) + one, 0);
    if (!fresh) return at->second;
    const Row& some = many == kNone ? one_.rows()[one] : many_.rows()[many];
    const Row row = plan_.Outcome(evaluation_, many == kNone ? StandIn(some) : many_.rows()[many],
                                  one == kNone ? StandIn(some) : one_.rows()[one]);
    const auto [known, unseen] = by_labels_.try_emplace(keyer_.All(row), rows_.size());
    if (unseen) {
      rows_.push_back(row);
      rows_.back().histograms = histograms_;
      cells_.emplace_back(many_.steps(), Absent());
    }
    return at->second = known->second;
  }

  const Plan& plan_;
  Evaluation& evaluation_;
  const CellArithmetic arithmetic_;
  const bool histograms_;  // they may be among the outcomes
  Operator& many_;
  Operator& one_;
  LabelsKeyer keyer_;
  std::unordered_map<LabelsKey, std::size_t, LabelsKeyHash> known_;
  std::vector<std::size_t> many_signatures_;
  std::vector<std::size_t> one_signatures_;
  std::vector<std::size_t> ones_;  // by signature, at this step
  std::vector<bool> matched_;
  std::unordered_set<std::size_t> outcomes_;  // of rows by signatures, at this step
  std::unordered_map<std::size_t, std::size_t> by_pair_;
  std::unordered_map<LabelsKey, std::size_t, LabelsKeyHash> by_labels_;
  std::vector<Row> rows_;
  std::vector<Cells> cells_;
};

// The pairs, if no two of them can ever meet; nullopt if they must be watched step by step.
std::optional<std::vector<Pair>> SimplePairs(const Plan& plan, const Operator& many,
                                             const Operator& one) {
  if (plan.matching().fill_left || plan.matching().fill_right) return std::nullopt;
  LabelsKeyer keyer;
  std::unordered_map<LabelsKey, std::size_t, LabelsKeyHash> ones;
  for (std::size_t i = 0; i < one.rows().size(); ++i) {
    if (!ones.try_emplace(plan.Signature(keyer, one.rows()[i]), i).second) return std::nullopt;
  }
  std::vector<Pair> pairs;
  std::vector<bool> used(one.rows().size(), false);
  for (std::size_t i = 0; i < many.rows().size(); ++i) {
    const auto found = ones.find(plan.Signature(keyer, many.rows()[i]));
    if (found == ones.end()) continue;
    if (plan.one_to_one() && used[found->second]) return std::nullopt;
    used[found->second] = true;
    pairs.push_back({i, found->second});
  }
  return pairs;
}

// The names of the pairs' outcomes; nullopt if two are the same.
std::optional<std::vector<Row>> DistinctOutcomes(const Plan& plan, const Operator& many,
                                                 const Operator& one,
                                                 const std::vector<Pair>& pairs) {
  LabelsKeyer keyer;
  std::unordered_map<LabelsKey, std::size_t, LabelsKeyHash> known;
  std::vector<Row> rows;
  rows.reserve(pairs.size());
  for (const Pair& pair : pairs) {
    rows.push_back(plan.Outcome(many.evaluation(), many.rows()[pair.many], one.rows()[pair.one]));
    if (!known.try_emplace(keyer.All(rows.back()), rows.size()).second) return std::nullopt;
  }
  return rows;
}

}  // namespace

Result<OperatorPtr> OpenVectorMatch(Evaluation& evaluation, const BinaryExpr& binary,
                                    const Grid& grid) {
  Plan plan{.binary = binary,
            .swapped = binary.matching.cardinality == Cardinality::kOneToMany,
            .labels = binary.matching.labels};
  std::sort(plan.labels.begin(), plan.labels.end());
  Result<OperatorPtr> left = Open(evaluation, *binary.lhs, grid);
  if (!left) return left;
  Result<OperatorPtr> right = Open(evaluation, *binary.rhs, grid);
  if (!right) return right;
  OperatorPtr many = std::move(plan.swapped ? *right : *left);
  OperatorPtr one = std::move(plan.swapped ? *left : *right);
  std::optional<std::vector<Pair>> pairs = SimplePairs(plan, *many, *one);
  std::optional<std::vector<Row>> rows;
  if (pairs) rows = DistinctOutcomes(plan, *many, *one, *pairs);
  const bool numbers =
      !IsTrim(binary.op) && !AnyHistograms(many->rows()) && !AnyHistograms(one->rows());
  if (!rows || !numbers) return StepMatcher(plan, *many, *one).Run();
  std::optional<Table> ones;
  if (!plan.one_to_one()) {
    std::vector<std::size_t> listed;
    for (const Pair& pair : *pairs) listed.push_back(pair.one);
    std::sort(listed.begin(), listed.end());
    listed.erase(std::unique(listed.begin(), listed.end()), listed.end());
    Result<Table> table = Table::Of(*one, listed);
    if (!table) return tl::unexpected(table.error());
    ones.emplace(std::move(*table));
  }
  return WithOperation(binary.op, [&](auto operation) -> Result<OperatorPtr> {
    return OperatorPtr(std::make_unique<PairOperator<decltype(operation)>>(
        plan, std::move(many), std::move(one), std::move(*pairs), std::move(*rows), std::move(ones),
        operation));
  });
}

}  // namespace fettle::promql
