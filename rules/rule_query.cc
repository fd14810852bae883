#include "rules/rule_query.h"

#include <utility>

#include "rules/samples/selection.h"

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

std::optional<std::size_t> EngineQuery::CountSeries(const Matchers& matchers, Time from,
                                                    Time to) const {
  if (samples_ == nullptr) return std::nullopt;
  if (samples_->CountAtMost(matchers) == 0) return 0;
  return samples_->Select(matchers, from, to).size();
}

}  // namespace fettle::rules
