// Aggregations over rows of which some hold histograms: what the float paths of aggregations.cc
// leave to it.
#pragma once

#include "rules/promql/ast.h"
#include "rules/promql/operator.h"

namespace fettle::promql {

// sum and avg. Numbers and histograms in one group at one step have no outcome.
Result<OperatorPtr> OpenMixedSum(OperatorPtr child, const AggregateExpr& aggregate);

// The child without its histograms, of which the asker is told: what min, topk and the like see.
// As it is if it has none.
OperatorPtr NumbersOnly(OperatorPtr child, const AggregateExpr& aggregate);

}  // namespace fettle::promql
