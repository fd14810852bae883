// Writes an expression's value back as a series. Semantics: Prometheus 3.x, rules/recording.go.
// A value; safe to share between threads.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "common/sample.h"
#include "rules/promql/value.h"
#include "rules/rule_file.h"

namespace fettle::rules {

class RecordingRule {
 public:
  explicit RecordingRule(const RuleSpec& spec) : name_(spec.name), labels_(spec.labels) {}

  // The samples to append; kInvalid if two of them would be of one series, kLimit above `limit`
  // (0: none). Then nothing is written.
  Result<std::vector<Sample>> Record(const promql::Vector& answer, Time at, int limit) const;

 private:
  const std::string name_;
  const std::map<std::string, std::string> labels_;  // an empty one removes the label
};

}  // namespace fettle::rules
