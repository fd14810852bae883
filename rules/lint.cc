#include "rules/lint.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "common/duration.h"
#include "rules/lint_labels.h"
#include "rules/promql/function_table.h"

namespace fettle::rules {
namespace {

using promql::FunctionId;
using promql::TokenType;

bool Alerts(const RuleSpec& rule) { return rule.kind == RuleSpec::Kind::kAlerting; }

// The outermost function or aggregation that gives the result's labels, through comparisons.
const promql::Expr& Core(const promql::Expr& expr) {
  const promql::Expr& inner = promql::Unwrap(expr);
  const auto* binary = promql::As<promql::BinaryExpr>(inner);
  if (binary == nullptr || !promql::IsComparison(binary->op)) return inner;
  return Core(binary->lhs->type == promql::ValueType::kScalar ? *binary->rhs : *binary->lhs);
}

class RuleLinter {
 public:
  RuleLinter(const GroupSpec& group, std::vector<Lint>& out) : group_(group), out_(out) {}

  void Look(const RuleSpec& rule, std::size_t number) {
    rule_ = &rule;
    place_ = fmt::format("group {}, rule {}, {}", Quote(group_.name), number, Quote(rule.name));
    for (const ExprLint& lint : LintExpr(*rule.tree, rule.expr)) {
      Say(rule.expr_line, lint.check, lint.text);
    }
    if (!Alerts(rule)) return;
    LookAtCondition();
    LookAtHold();
    LookAtTemplates();
  }

 private:
  void Say(int line, std::string check, std::string text) {
    out_.push_back({std::move(check), group_.file, line, place_, std::move(text)});
  }

  void LookAtCondition() {
    // An expression without selectors (vector(1)) is meant to fire always: a dead man's switch.
    if (!promql::Selectors(*rule_->tree).empty() && !HasCondition(*rule_->tree)) {
      Say(rule_->expr_line, "alerts/comparison",
          "without a condition it fires as soon as the metric is there");
    }
    const promql::Expr& core = Core(*rule_->tree);
    if (const auto* aggregate = promql::As<promql::AggregateExpr>(core)) {
      const bool some = aggregate->op == TokenType::kTopK || aggregate->op == TokenType::kBottomK ||
                        aggregate->op == TokenType::kLimitK ||
                        aggregate->op == TokenType::kLimitRatio;
      if (some) {
        Say(rule_->expr_line, "promql/fragile",
            "which series it chooses changes from evaluation to evaluation, and the alert with it");
      }
    }
    const auto* call = promql::As<promql::Call>(core);
    if (call != nullptr && call->function->id == FunctionId::kAbsent && rule_->hold == Millis(0)) {
      Say(rule_->expr_line, "alerts/absent",
          "absent() without `for` fires while a target only restarts");
    }
  }

  void LookAtHold() {
    if (rule_->hold > Millis(0) && group_.interval > rule_->hold) {
      Say(rule_->line, "alerts/for",
          fmt::format("`for` of {} is shorter than the group's interval of {}",
                      FormatDuration(rule_->hold), FormatDuration(group_.interval)));
    }
  }

  void LookAtTemplates() {
    static const re2::RE2 kValue(R"(\{\{[^}]*(\$value|\.Value)\b)");
    for (const auto& [name, text] : rule_->labels) {
      if (!re2::RE2::PartialMatch(text, kValue)) continue;
      Say(rule_->line, "alerts/template",
          fmt::format("label {} has the value in it: each new value is another alert, which never "
                      "stays pending long enough to fire",
                      Quote(name)));
    }
    const LabelReach reach = ReachOf(*rule_->tree);
    for (const auto& [name, text] : rule_->labels) LookAtLabels("label", name, text, reach);
    for (const auto& [name, text] : rule_->annotations) {
      LookAtLabels("annotation", name, text, reach);
    }
  }

  void LookAtLabels(std::string_view what, const std::string& key, const std::string& text,
                    const LabelReach& reach) {
    static const re2::RE2 kUse(R"(\$labels\.([a-zA-Z_][a-zA-Z0-9_]*))");
    std::set<std::string> said;
    re2::StringPiece rest(text);
    std::string name;
    while (re2::RE2::FindAndConsume(&rest, kUse, &name)) {
      if (reach.CanHave(name) || name == kMetricName || !said.insert(name).second) continue;
      Say(rule_->line, "alerts/template",
          fmt::format("{} {} uses $labels.{}, which the expression cannot have", what, Quote(key),
                      name));
    }
  }

  const GroupSpec& group_;
  std::vector<Lint>& out_;
  const RuleSpec* rule_ = nullptr;
  std::string place_;
};

using Identity = std::pair<std::string, std::map<std::string, std::string>>;

// The same recorded series from rules of two groups: which is written last is up to the clock.
void LookAtRecorded(const std::vector<GroupSpec>& groups, std::vector<Lint>& out) {
  std::map<Identity, const GroupSpec*> first;
  for (const GroupSpec& group : groups) {
    std::size_t number = 0;
    for (const RuleSpec& rule : group.rules) {
      ++number;
      if (Alerts(rule)) continue;
      const auto [it, fresh] = first.emplace(Identity{rule.name, rule.labels}, &group);
      if (fresh || it->second == &group) continue;
      out.push_back(
          {"rule/duplicate", group.file, rule.line,
           fmt::format("group {}, rule {}, {}", Quote(group.name), number, Quote(rule.name)),
           fmt::format("group {} of {} records the same series", Quote(it->second->name),
                       it->second->file)});
    }
  }
}

}  // namespace

std::string Lint::ToString() const {
  return fmt::format("{}:{}: {}: {}: {}", file, line, place, check, text);
}

std::vector<Lint> LintRules(const std::vector<GroupSpec>& groups) {
  std::vector<Lint> out;
  for (const GroupSpec& group : groups) {
    RuleLinter linter(group, out);
    std::size_t number = 0;
    for (const RuleSpec& rule : group.rules) linter.Look(rule, ++number);
  }
  LookAtRecorded(groups, out);
  std::stable_sort(out.begin(), out.end(), [](const Lint& a, const Lint& b) {
    return std::tie(a.file, a.line) < std::tie(b.file, b.line);
  });
  return out;
}

std::vector<DuplicateRule> FindDuplicates(const std::vector<GroupSpec>& groups) {
  std::map<Identity, int> seen;
  for (const GroupSpec& group : groups) {
    for (const RuleSpec& rule : group.rules) ++seen[{rule.name, rule.labels}];
  }
  std::vector<DuplicateRule> out;
  for (const auto& [identity, count] : seen) {
    for (int i = 1; i < count; ++i) out.push_back({identity.first, identity.second});
  }
  return out;
}

}  // namespace fettle::rules
