// and, or, unless: which rows of one vector stand beside those of another.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "rules/promql/open.h"

namespace fettle::promql {
namespace {

// For each signature on one side, the steps at which any of its rows has a value.
class Presence {
 public:
  explicit Presence(const VectorMatching& matching) : on_(matching.on), labels_(matching.labels) {
    std::sort(labels_.begin(), labels_.end());
  }

  LabelsKey Signature(const Row& row) {
    return on_ ? keyer_.Only(row, labels_) : keyer_.Without(row, labels_);
  }

  // Looks only at rows with a signature of `of_interest`.
  Status Add(Operator& side, const std::vector<Row>& of_interest) {
    std::unordered_map<LabelsKey, bool, LabelsKeyHash> wanted;
    for (const Row& row : of_interest) wanted.try_emplace(Signature(row), true);
    Evaluation::Scratch scratch(side.evaluation(), side.steps());
    for (std::size_t i = 0; i < side.rows().size(); ++i) {
      const LabelsKey signature = Signature(side.rows()[i]);
      if (!wanted.contains(signature)) continue;
      if (Status status = side.Fill(i, *scratch); !status) return status;
      std::vector<bool>& steps = present_[signature];
      steps.resize(side.steps(), false);
      for (std::size_t step = 0; step < side.steps(); ++step) {
        if (!IsAbsent((*scratch)[step])) steps[step] = true;
      }
    }
    return {};
  }

  // Null if there is never any.
  const std::vector<bool>* At(const Row& row) {
    const auto found = present_.find(Signature(row));
    return found == present_.end() ? nullptr : &found->second;
  }

 private:
  const bool on_;
  std::vector<std::string> labels_;
  LabelsKeyer keyer_;
  std::unordered_map<LabelsKey, std::vector<bool>, LabelsKeyHash> present_;
};

// Rows of one side at the steps at which the other side is (or is not) there.
class MaskOperator final : public Operator {
 public:
  struct Source {
    Operator* from = nullptr;
    std::size_t row = 0;
    const std::vector<bool>* mask = nullptr;  // null: all steps
    bool when = true;                         // the mask's value at the steps to keep
  };
  MaskOperator(OperatorPtr left, OperatorPtr right, Presence presence)
      : Operator(left->evaluation(), left->steps()),
        left_(std::move(left)),
        right_(std::move(right)),
        presence_(std::move(presence)) {}

  void Keep(Operator& from, std::size_t row, const std::vector<bool>* mask, bool when) {
    rows_.push_back(from.rows()[row]);
    sources_.push_back({&from, row, mask, when});
  }
  Operator& left() { return *left_; }
  Operator& right() { return *right_; }
  Presence& presence() { return presence_; }

  Status Fill(std::size_t row, Cells& out) override {
    const Source& source = sources_[row];
    if (Status status = source.from->Fill(source.row, out); !status) return status;
    if (source.mask == nullptr) return {};
    for (std::size_t step = 0; step < steps(); ++step) {
      if ((*source.mask)[step] != source.when) out[step] = Absent();
    }
    return {};
  }

 private:
  const OperatorPtr left_;
  const OperatorPtr right_;
  Presence presence_;
  std::vector<Source> sources_;
};

}  // namespace

Result<OperatorPtr> OpenSetOperation(Evaluation& evaluation, const BinaryExpr& binary,
                                     const Grid& grid) {
  Result<OperatorPtr> left = Open(evaluation, *binary.lhs, grid);
  if (!left) return left;
  Result<OperatorPtr> right = Open(evaluation, *binary.rhs, grid);
  if (!right) return right;
  auto mask = std::make_unique<MaskOperator>(std::move(*left), std::move(*right),
                                             Presence(binary.matching));
  Operator& lhs = mask->left();
  Operator& rhs = mask->right();
  const bool either = binary.op == TokenType::kOr;
  Status status =
      either ? mask->presence().Add(lhs, rhs.rows()) : mask->presence().Add(rhs, lhs.rows());
  if (!status) return tl::unexpected(status.error());
  for (std::size_t i = 0; i < lhs.rows().size(); ++i) {
    const std::vector<bool>* other = mask->presence().At(lhs.rows()[i]);
    if (either) {
      mask->Keep(lhs, i, nullptr, true);
    } else if (binary.op == TokenType::kUnless) {
      mask->Keep(lhs, i, other, false);
    } else if (other != nullptr) {
      mask->Keep(lhs, i, other, true);
    }
  }
  if (!either) return OperatorPtr(std::move(mask));
  for (std::size_t i = 0; i < rhs.rows().size(); ++i) {
    mask->Keep(rhs, i, mask->presence().At(rhs.rows()[i]), false);
  }
  return MergeSameLabels(std::move(mask), Merge::kLabelsChanged);
}

}  // namespace fettle::promql
