#include "rules/test_coverage.h"

#include <fmt/format.h>

#include <set>

#include "rules/promql/parser.h"

namespace fettle::rules {
namespace {

// Whether a selector could choose series of the metric.
bool MaySelect(const promql::VectorSelector& selector, const std::string& metric) {
  for (const Matcher& matcher : selector.matchers) {
    if (matcher.name() == kMetricName && !matcher.Matches(metric)) return false;
  }
  return true;
}

bool Reads(const promql::Expr& expr, const std::string& metric) {
  for (const promql::VectorSelector* selector : promql::Selectors(expr)) {
    if (MaySelect(*selector, metric)) return true;
  }
  return false;
}

// What the tests expect to fire, and what they ask for.
struct Asked {
  std::set<std::string> alerts;
  std::vector<promql::ExprPtr> exprs;
};

Asked AskedBy(const TestFile& file) {
  Asked asked;
  for (const TestGroup& test : file.tests) {
    for (const AlertCheck& check : test.alerts) {
      if (!check.expected.empty()) asked.alerts.insert(check.alertname);
    }
    for (const ExprCheck& check : test.exprs) {
      if (Result<promql::ExprPtr> tree = promql::Parse(check.expr)) asked.exprs.push_back(*tree);
    }
    for (const NotificationCheck& check : test.notifications) {
      for (const NotificationCheck::Told& told : check.expected) {
        for (const TextMap& labels : told.alerts) {
          const auto name = labels.find("alertname");
          if (name != labels.end()) asked.alerts.insert(name->second);
        }
      }
    }
  }
  return asked;
}

}  // namespace

double TestCoverage::Percent() const {
  if (rules == 0) return 100;
  return 100.0 * static_cast<double>(rules - uncovered.size()) / static_cast<double>(rules);
}

TestCoverage MeasureCoverage(const TestFile& file, const std::vector<GroupSpec>& groups) {
  Asked asked = AskedBy(file);
  struct Judged {
    const GroupSpec* group;
    const RuleSpec* rule;
    bool covered = false;
  };
  std::vector<Judged> all;
  for (const GroupSpec& group : groups) {
    for (const RuleSpec& rule : group.rules) all.push_back({&group, &rule});
  }
  // What a covered rule reads is covered, and so on.
  for (bool more = true; more;) {
    more = false;
    for (Judged& one : all) {
      if (one.covered) continue;
      if (one.rule->kind == RuleSpec::Kind::kAlerting) {
        one.covered = asked.alerts.contains(one.rule->name);
      } else {
        for (const promql::ExprPtr& expr : asked.exprs) {
          one.covered = one.covered || Reads(*expr, one.rule->name);
        }
      }
      if (!one.covered) continue;
      asked.exprs.push_back(one.rule->tree);
      more = true;
    }
  }
  TestCoverage coverage{.rules = all.size(), .uncovered = {}};
  for (const Judged& one : all) {
    if (one.covered) continue;
    coverage.uncovered.push_back(
        fmt::format("{}:{}: {} {} (group {})", one.group->file, one.rule->line,
                    one.rule->kind == RuleSpec::Kind::kAlerting ? "alert" : "record",
                    Quote(one.rule->name), Quote(one.group->name)));
  }
  return coverage;
}

}  // namespace fettle::rules
