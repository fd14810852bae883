// Prometheus rule files, read strictly: every mistake in a file is named with its place, all at
// once.
//
//   alerts.yml:12:13: group "disk", rule 3, "DiskFull": could not parse expression: 1:5: parse
//   error…
//
// Format: prometheus.io/docs/prometheus/latest/configuration/recording_rules (3.x: group labels,
// query_offset, keep_firing_for). Values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/yaml.h"
#include "rules/promql/parser.h"

namespace fettle::rules {

struct RuleSpec {
  enum class Kind { kAlerting, kRecording };
  Kind kind = Kind::kAlerting;
  std::string name;      // of the alert or of the series
  std::string expr;      // as written, without white space around it
  promql::ExprPtr tree;  // never null once read
  Millis hold{0};        // for:
  Millis keep_firing_for{0};
  // The group's labels with the rule's over them. Texts: templates in an alerting rule; an empty
  // one removes the label.
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  // Where its file has it, from 1; 0 if there is none.
  int line = 0;
  int expr_line = 0;

  // The same rule, wherever it stands.
  bool operator==(const RuleSpec& other) const;
};

struct GroupSpec {
  std::string file;
  std::string name;
  Millis interval{0};  // 0: the evaluation_interval
  int limit = 0;       // of series or alerts a rule; 0: none
  std::optional<Millis> query_offset;
  std::vector<RuleSpec> rules;

  // "file;name", as metrics and Prometheus' API call it.
  std::string Key() const { return file + ";" + name; }
  bool operator==(const GroupSpec& other) const = default;
};

struct RuleFileOptions {
  promql::ParserOptions parser{};
  bool ignore_unknown_fields = false;
};

// The groups of one file's text; `file` is what messages and the groups call it. What is wrong is
// complained about and left out.
std::vector<GroupSpec> ReadRules(std::string_view text, const std::string& file,
                                 yaml::Complaints& complaints,
                                 const RuleFileOptions& options = {});
std::vector<GroupSpec> ReadRuleFile(const std::string& path, yaml::Complaints& complaints,
                                    const RuleFileOptions& options = {});

}  // namespace fettle::rules
