#include "rules/reactive_index.h"

namespace fettle::rules {
namespace {

std::string NameWanted(const Matchers& matchers) {
  for (const Matcher& matcher : matchers) {
    if (matcher.name() == kMetricName && matcher.type() == Matcher::Type::kEqual) {
      return matcher.value();
    }
  }
  return {};
}

}  // namespace

void ReactiveIndex::Add(std::size_t group, const GroupSpec& spec) {
  if (spec.query_offset.value_or(Millis(0)) > Millis(0)) return;
  for (std::size_t i = 0; i < spec.rules.size(); ++i) {
    const RuleSpec& rule = spec.rules[i];
    if (rule.kind != RuleSpec::Kind::kAlerting || rule.hold > Millis(0)) continue;
    for (const promql::VectorSelector* selector : promql::Selectors(*rule.tree)) {
      by_name_[NameWanted(selector->matchers)].push_back(
          {group, i, rule.tree, &selector->matchers});
    }
  }
}

std::map<std::size_t, std::set<std::size_t>> ReactiveIndex::Find(
    std::span<const LabelsPtr> changed) const {
  std::map<std::size_t, std::set<std::size_t>> found;
  const auto look = [&](std::string_view name, const Labels& labels) {
    const auto entries = by_name_.find(name);
    if (entries == by_name_.end()) return;
    for (const Entry& entry : entries->second) {
      std::set<std::size_t>& rules = found[entry.group];
      if (!rules.contains(entry.rule) && MatchAll(*entry.matchers, labels))
        rules.insert(entry.rule);
    }
  };
  for (const LabelsPtr& labels : changed) {
    const std::string_view name = labels->Get(kMetricName);
    look(name, *labels);
    if (!name.empty()) look("", *labels);
  }
  std::erase_if(found, [](const auto& group) { return group.second.empty(); });
  return found;
}

std::map<std::size_t, std::set<std::size_t>> ReactiveIndex::All() const {
  std::map<std::size_t, std::set<std::size_t>> all;
  for (const auto& [name, entries] : by_name_) {
    for (const Entry& entry : entries) all[entry.group].insert(entry.rule);
  }
  return all;
}

}  // namespace fettle::rules
