// What rules would have said between two moments: every slot of every group in order, on samples
// that are there already. Nobody is told, and nothing is remembered; what rules make is appended to
// the sink, a scratch store, for the rules behind them.
//
// One thread.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/labels.h"
#include "common/result.h"
#include "common/sample.h"
#include "rules/rule_file.h"
#include "rules/rule_query.h"

namespace fettle::rules {

struct ReplayEvent {
  enum class What { kPending, kFiring, kResolved, kGone, kFailed };
  Time at;
  What what = What::kPending;
  std::string group;
  std::string rule;
  Labels labels;  // of the alert, external ones included
  std::map<std::string, std::string> annotations;
  std::string error;  // of kFailed; said when it begins
};
// "pending", "firing", "resolved", "gone" (pending, and then over), "failed".
std::string_view ToString(ReplayEvent::What what);

struct ReplayOptions {
  Time from;
  Time to;
  Millis evaluation_interval = std::chrono::seconds(15);
  Labels external_labels;
  std::string external_url;
  promql::ParserOptions parser{};
};

// More evaluations of rules than this are kLimit: choose a shorter time.
inline constexpr std::size_t kReplayEvaluationsMax = 20'000'000;

struct ReplayTotals {
  std::size_t evaluations = 0;
  std::size_t failures = 0;
};
Result<ReplayTotals> Replay(const RuleQuery& query, SampleSink& samples,
                            const std::vector<GroupSpec>& groups, const ReplayOptions& options,
                            const std::function<void(const ReplayEvent&)>& on_event);

}  // namespace fettle::rules
