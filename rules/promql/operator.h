// A node of the running query. Its rows (labels) are known once it is opened; their values are
// computed row by row, each over all steps, when asked for. So a sum over a rate over ten thousand
// series holds one series at a time.
//
// Not safe from several threads; used by one evaluation.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"
#include "rules/promql/evaluation.h"
#include "rules/promql/row.h"

namespace fettle::promql {

class Operator {
 public:
  Operator(Evaluation& evaluation, std::size_t steps) : evaluation_(evaluation), steps_(steps) {}
  virtual ~Operator() = default;
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  std::size_t steps() const { return steps_; }
  const std::vector<Row>& rows() const { return rows_; }
  // Writes every cell of `out` (steps() of them). A row may turn out empty. Asking again for the
  // same row gives the same answer, at the same price.
  virtual Status Fill(std::size_t row, Cells& out) = 0;

  Evaluation& evaluation() const { return evaluation_; }

 protected:
  std::vector<Row> rows_;

 private:
  Evaluation& evaluation_;
  const std::size_t steps_;
};
using OperatorPtr = std::unique_ptr<Operator>;

// A scalar is an operator with one row without labels and no absent cell.
Result<Cells> FillScalar(Operator& scalar);

// All rows of an operator in memory, counted against the query's limit.
class Table {
 public:
  static Result<Table> Of(Operator& from);
  // The rows listed alone; the others stay empty.
  static Result<Table> Of(Operator& from, const std::vector<std::size_t>& listed);
  Table(Table&& other) noexcept;
  Table& operator=(Table&&) = delete;
  ~Table();

  const Cells& operator[](std::size_t row) const { return rows_[row]; }

 private:
  explicit Table(Evaluation& evaluation) : evaluation_(&evaluation) {}
  Evaluation* evaluation_;
  std::size_t held_ = 0;
  std::vector<Cells> rows_;
};

// Rows that exist already.
class TableOperator final : public Operator {
 public:
  // `cells` has one entry a row.
  static Result<OperatorPtr> Make(Evaluation& evaluation, std::size_t steps, std::vector<Row> rows,
                                  std::vector<Cells> cells);
  ~TableOperator() override;
  Status Fill(std::size_t row, Cells& out) override;

 private:
  using Operator::Operator;
  std::vector<Cells> cells_;
  std::size_t held_ = 0;
};

inline constexpr std::string_view kSameLabelset =
    "vector cannot contain metrics with the same labelset";

// Rows whose labels have become equal are one row from here on; a value from two of them at one
// step is an error.
enum class Merge {
  kNamesDropped,   // nothing but metric names (and types, units) went
  kNothingInBoth,  // the same, and two rows with values at all are an error
  kLabelsChanged,
};
Result<OperatorPtr> MergeSameLabels(OperatorPtr child, Merge why);

}  // namespace fettle::promql
