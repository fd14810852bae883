// Which alerting rules look at a series: those that need not wait for their slot when an event
// changes it. Immutable once built; safe to share between threads.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/labels.h"
#include "common/matcher.h"
#include "rules/rule_file.h"
#include "rules/samples/samples.h"

namespace fettle::rules {

class ReactiveIndex {
 public:
  // Alerting rules with `for: 0` of groups without a query offset react; `group` is what Find()
  // calls the group.
  void Add(std::size_t group, const GroupSpec& spec);

  // Group → its rules that select at least one of the series.
  std::map<std::size_t, std::set<std::size_t>> Find(std::span<const LabelsPtr> changed) const;
  // All of them: for when too much has changed to look at each.
  std::map<std::size_t, std::set<std::size_t>> All() const;

 private:
  struct Entry {
    std::size_t group = 0;
    std::size_t rule = 0;
    std::shared_ptr<const promql::Expr> tree;  // keeps the matchers alive
    const Matchers* matchers = nullptr;
  };
  // By the metric name that the selector wants; "" for selectors that name none.
  std::map<std::string, std::vector<Entry>, std::less<>> by_name_;
};

}  // namespace fettle::rules
