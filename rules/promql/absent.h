// absent() and absent_over_time(): 1 where nothing is.
#pragma once

#include "rules/promql/ast.h"
#include "rules/promql/operator.h"

namespace fettle::promql {

// What the selector asked for by equality, each label once; nothing for other expressions.
LabelsPtr AbsentLabels(const Expr& expr);

// One row, with these labels, of 1 at the steps at which `of` has no value.
Result<OperatorPtr> OpenAbsence(Operator& of, LabelsPtr labels);

}  // namespace fettle::promql
