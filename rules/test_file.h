// Files of rule tests: promtool's format (prometheus.io/docs/prometheus/latest/configuration/
// unit_testing_rules) and what fettle adds to it, read strictly. Values.
//
//   rule_files: [rules.yml]            # relative to the test's file; * and ? are understood
//   fettle_config: fettle.yml          # ours: for notification_test and remediation_test
//   tests:
//   - input_series: [{series: 'up{job="a"}', values: "1 0x9"}]
//     alert_rule_test:
//     - {eval_time: 5m, alertname: Down, exp_alerts: [{exp_labels: {job: a}}]}
//     - {eval_time: 5m, alertname: Down, partial: true, exp_alerts: [{}]}     # ours
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/yaml.h"

namespace fettle::rules {

using TextMap = std::map<std::string, std::string>;

struct ExpectedAlert {
  TextMap labels;  // with alertname
  TextMap annotations;
};

// The alerts of one name that fire at a moment.
struct AlertCheck {
  Millis eval_time{0};
  std::string alertname;
  std::vector<ExpectedAlert> expected;
  // Each expected alert names some of the labels and annotations of a firing one; as many fire as
  // are expected.
  bool partial = false;
};

struct ExpectedSample {
  std::string labels;  // as a series is written
  double value = 0;
  std::string histogram;  // "" or {{…}}
};
struct ExprCheck {
  Millis eval_time{0};
  std::string expr;
  std::vector<ExpectedSample> expected;
};

// What a receiver was told up to a moment, since the check of it before.
struct NotificationCheck {
  struct Told {
    std::string status = "firing";  // or resolved
    std::vector<TextMap> alerts;    // each alert has these labels, and perhaps more
  };
  Millis eval_time{0};
  std::string receiver;
  std::vector<Told> expected;
};

// What a repair did about a target up to a moment, since the check of it before; or, if nothing,
// what holds it back then.
struct RemediationCheck {
  Millis eval_time{0};
  std::string repair;
  std::string target;
  std::string decision;               // act or hold
  std::optional<std::string> action;  // "restart"
  std::optional<std::string> reason;
};

struct TestGroup {
  std::string name;
  Millis interval{0};  // between values
  Time start{};
  struct InputSeries {
    std::string series;
    std::string values;
  };
  std::vector<InputSeries> input;
  TextMap external_labels;
  std::string external_url;
  std::vector<AlertCheck> alerts;
  std::vector<ExprCheck> exprs;
  std::vector<NotificationCheck> notifications;
  std::vector<RemediationCheck> remediations;

  // When the last check looks.
  Millis LastEval() const;
};

struct TestFile {
  std::vector<std::string> rule_files;       // that are there
  std::vector<std::string> files_not_found;  // patterns without any
  std::string fettle_config;                 // "" or a path
  Millis evaluation_interval = std::chrono::minutes(1);
  std::map<std::string, int> order;  // of groups; those that are not named come with the first
  bool fuzzy_compare = false;        // one unit in the last place is no difference
  std::vector<TestGroup> tests;
};

// `path` is for messages, and what rule_files are relative to.
TestFile ReadTestFile(std::string_view text, const std::string& path, yaml::Complaints& complaints);

}  // namespace fettle::rules
