#include "rules/rule_query.h"

#include <utility>

namespace fettle::rules {

Result<RuleAnswer> EngineQuery::Ask(const promql::Expr& tree, const std::string&, Time at,
                                    BootTime deadline) const {
  Result<promql::Answer> answer = engine_.Instant(tree, at, deadline);
  if (!answer) return tl::unexpected(answer.error());
  RuleAnswer out;
  out.samples = answer->samples;
  switch (answer->value.type) {
    case promql::ValueType::kVector:
      out.vector = std::move(answer->value.vector);
      return out;
    case promql::ValueType::kScalar:
      out.vector.push_back({std::make_shared<const Labels>(), answer->value.scalar, nullptr});
      return out;
    default:
      return Fail(Cause::kInvalid, "rule result is not a vector or scalar");
  }
}

}  // namespace fettle::rules
