// Why a rule is not firing, for a person: GET /api/fettle/v1/rules. What each rule's selectors find
// now and ever found, what its last evaluations read and returned, and, for the rules that are
// named, the values that its condition compares.
//
// Safe from any thread; asks the query for what it shows, so it may block as long as `timeout`.
#pragma once

#include <string>
#include <vector>

#include "common/clock.h"
#include "common/http.h"
#include "rules/group_view.h"
#include "rules/manager.h"
#include "rules/rule_query.h"

namespace fettle::rules {

// "the condition is true for none of the 12 samples it read"; "" for a firing rule.
std::string WhyNotFiring(const RuleView& rule, Time now);

struct ExplainDeps {
  const RuleQuery& query;
  const Clock& clock;
  Millis timeout = std::chrono::seconds(5);  // of the values of one rule
};
// Values shown of one rule, the largest first.
inline constexpr std::size_t kExplainedValuesMax = 20;

// file[], rule_group[] and rule_name[] choose; dead=true only those that can never say anything.
// Values are asked for only with rule_name[].
HttpResponse ServeExplained(const std::vector<GroupView>& groups, const ExplainDeps& deps,
                            const HttpRequest& request);
// The same of the manager's groups.
inline HttpResponse ServeExplained(const RuleManager& manager, const ExplainDeps& deps,
                                   const HttpRequest& request) {
  return ServeExplained(manager.View(), deps, request);
}

}  // namespace fettle::rules
