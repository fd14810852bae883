// From tree to running query: opens the operator of an expression on a grid of steps. Opening reads
// the index, so rows are known; aggregations and the like compute here, too.
#pragma once

#include "common/result.h"
#include "rules/promql/ast.h"
#include "rules/promql/evaluation.h"
#include "rules/promql/operator.h"
#include "rules/promql/reach.h"

namespace fettle::promql {

// Any expression but strings and ranges.
Result<OperatorPtr> Open(Evaluation& evaluation, const Expr& expr, const Grid& grid);
// Of a scalar expression: its values, one a step.
Result<Cells> OpenScalar(Evaluation& evaluation, const Expr& expr, const Grid& grid);

// The kinds, each in a file of its own.
Result<OperatorPtr> OpenSelector(Evaluation& evaluation, const VectorSelector& selector,
                                 const Grid& grid);
Result<OperatorPtr> OpenSmoothedSelector(Evaluation& evaluation, const VectorSelector& selector,
                                         const Grid& grid);
Result<OperatorPtr> OpenTimestampOfSelector(Evaluation& evaluation, const VectorSelector& selector,
                                            const Grid& grid);
// When the counting of its samples began, 0 if unknown. No rows where the engine goes by no starts.
Result<OperatorPtr> OpenStartOfSelector(Evaluation& evaluation, const VectorSelector& selector,
                                        const Grid& grid);
Result<OperatorPtr> OpenRangeFunction(Evaluation& evaluation, const Call& call, const Grid& grid);
Result<OperatorPtr> OpenCall(Evaluation& evaluation, const Call& call, const Grid& grid);
Result<OperatorPtr> OpenMath(Evaluation& evaluation, const Call& call, const Grid& grid);
Result<OperatorPtr> OpenLabelFunction(Evaluation& evaluation, const Call& call, const Grid& grid);
Result<OperatorPtr> OpenHistogramFunction(Evaluation& evaluation, const Call& call,
                                          const Grid& grid);
// histogram_count and its like: a number of each histogram.
Result<OperatorPtr> OpenHistogramFact(Evaluation& evaluation, const Call& call, const Grid& grid);
Result<OperatorPtr> OpenInfo(Evaluation& evaluation, const Call& call, const Grid& grid);
Result<OperatorPtr> OpenSort(Evaluation& evaluation, const Call& call, const Grid& grid);
Result<OperatorPtr> OpenUnary(Evaluation& evaluation, const UnaryExpr& unary, const Grid& grid);
Result<OperatorPtr> OpenBinary(Evaluation& evaluation, const BinaryExpr& binary, const Grid& grid);
Result<OperatorPtr> OpenVectorMatch(Evaluation& evaluation, const BinaryExpr& binary,
                                    const Grid& grid);
Result<OperatorPtr> OpenSetOperation(Evaluation& evaluation, const BinaryExpr& binary,
                                     const Grid& grid);
Result<OperatorPtr> OpenAggregate(Evaluation& evaluation, const AggregateExpr& aggregate,
                                  const Grid& grid);
Result<OperatorPtr> OpenRankedAggregate(Evaluation& evaluation, const AggregateExpr& aggregate,
                                        const Grid& grid);
Result<OperatorPtr> OpenCountValues(Evaluation& evaluation, const AggregateExpr& aggregate,
                                    const Grid& grid);

// Whether the expression has the same value at every step of any query.
bool IsStepInvariant(const Expr& expr);

// Marks or removes the metric's name, as the engine is told to, and merges what becomes the same.
// `rows` is changed in place before the operator is used; see DropNames.
void MarkNameless(const Evaluation& evaluation, std::vector<Row>& rows);

}  // namespace fettle::promql
