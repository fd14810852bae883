#include "tests/support/rule_test_maker.h"

#include <fmt/format.h>

#include <utility>

namespace fettle {

std::string RuleTestMaker::Duration() { return OneOf({"0s", "30s", "1m", "2m", "2m30s", "5m"}); }

// What an alert may ask of m, n (gauges), c (a counter) and of what rules made.
std::string RuleTestMaker::Condition() {
  const std::size_t limit = Below(8);
  return fmt::format(fmt::runtime(OneOf({"m > {}",
                                         "m >= {}",
                                         "m == {}",
                                         "m < bool {} > 0",
                                         "rate(c[3m]) > 0.0{}",
                                         "increase(c[2m]) > {}",
                                         "sum by (job) (m) > {}",
                                         "max(m) > {}",
                                         "avg by (i) (n) <= {}",
                                         "m > on (job, i) n + {}",
                                         "m unless n > {}",
                                         "m and on (job) (n > {})",
                                         "absent(m{{job=\"x\"}}) + {}",
                                         "count_over_time(m[3m]) <= {}",
                                         "changes(n[5m]) >= {}",
                                         "delta(m[4m]) > {}",
                                         "absent_over_time(n[{}m1s])",
                                         "job:m:sum > {}",
                                         "job:m:sum offset 1m > {}",
                                         "max_over_time(job:m:sum[5m:1m]) > {}",
                                         "quantile(0.5, m) > {}",
                                         "label_replace(m, \"k\", \"$1\", \"job\", \"(.*)\") > {}",
                                         "count(ALERTS{{alertname=\"A0\"}}) >= {}",
                                         "vector({}) > 3",
                                         "m * n > {}",
                                         "(m > {}) or (n > 3)",
                                         "vector(time()) > {}0",
                                         "m + {} < scalar(sum(m))"})),
                     limit);
}

std::string RuleTestMaker::Text() {
  return OneOf({"plain", "{{ $value }}", "{{ $labels.job }} of {{ .Labels.i }}",
                "{{ $value | humanize }}", "{{ printf \"%.2f\" $value }}", "{{ $labels.none }}x",
                "{{ $externalLabels.site }}", "{{ humanizeDuration 90.5 }}",
                "{{ range sortByLabel \"i\" (query \"sum by (i) (m)\") }}{{ .Labels.i }}={{ .Value "
                "}} {{ end }}",
                "{{ with query \"sum(n)\" }}{{ . | first | value }}{{ end }}",
                "{{ if gt $value 2.0 }}high{{ else }}low{{ end }}",
                "{{ reReplaceAll \"a\" \"b\" "
                "$labels.job }}",
                "{{ $value | humanizePercentage }}", "{{ .ExternalURL }}",
                "{{ $labels.job | toUpper | title }}", "{{ humanize \"one\" }}",
                "{{ query \"sum by (job) (m)\" | sortByLabel \"job\" | first | label \"job\" }}"});
}

std::string RuleTestMaker::Rules() {
  std::string out =
      "groups:\n- name: one\n  rules:\n  - {record: 'job:m:sum', expr: sum by (job) "
      "(m), labels: {made: here}}\n";
  const auto alert = [&](std::size_t i) {
    out += fmt::format("  - alert: A{}\n    expr: {}\n", i, Condition());
    if (Often()) out += "    for: " + Duration() + "\n";
    if (Below(3) == 0) out += "    keep_firing_for: " + Duration() + "\n";
    if (Often())
      out += "    labels: {severity: " + OneOf({"page", "ticket"}) + ", text: '" +
             OneOf({"", "of {{ $labels.i }}", "x"}) + "'}\n";
    out += "    annotations: {a: '" + Text() + "', b: '" + Text() + "'}\n";
  };
  for (std::size_t i = 0; i < 5; ++i) alert(i);
  out += "- name: two\n";
  if (Often()) out += "  labels: {team: " + OneOf({"web", "data"}) + ", severity: none}\n";
  if (Below(3) == 0) out += "  query_offset: 30s\n";
  if (Below(6) == 0) out += "  limit: 3\n";
  out += "  rules:\n";
  for (std::size_t i = 5; i < 9; ++i) alert(i);
  out += "  - {record: 'alerts', expr: 'count by (alertname, alertstate) (ALERTS)'}\n";
  return out;
}

std::string RuleTestMaker::Values(std::size_t stretches) {
  std::string out;
  for (std::size_t i = 0; i < stretches; ++i) {
    switch (Below(7)) {
      case 0:
        out += fmt::format("_x{} ", Below(4));
        break;
      case 1:
        out += "stale ";
        break;
      case 2:
        out += fmt::format("{}+{}x{} ", Below(5), Below(3), Below(6));
        break;
      case 3:
        out += fmt::format("{}-{}.5x{} ", Below(9), Below(3), Below(6));
        break;
      default:
        out += fmt::format("{}x{} ", Below(9), Below(4));
    }
  }
  return out;
}

std::string RuleTestMaker::Series(const std::string& interval, std::size_t stretches) {
  std::string out = "  interval: " + interval + "\n";
  if (Often()) out += "  external_labels: {site: fra1}\n";
  if (Often()) out += "  external_url: http://a.example/b\n";
  out += "  input_series:\n";
  for (const char* job : {"api", "web"}) {
    for (const char* metric : {"m", "n", "c"}) {
      for (int i = 0; i < 2; ++i) {
        if (Below(5) == 0) continue;
        const std::string values = *metric == 'c' ? fmt::format("0+{}x{} {}+1x{}", Below(5),
                                                                Below(9), Below(3), 10 * stretches)
                                                  : Values(stretches);
        out += fmt::format("  - {{series: '{}{{job=\"{}\", i=\"{}\"}}', values: '{}'}}\n", metric,
                           job, i, values);
      }
    }
  }
  return out;
}

RuleTestMaker::Test RuleTestMaker::MakeHour() {
  Test test{.name = "hour", .head = "- name: hour\n" + Series("15s", 80), .checks = {}};
  for (int half_minutes = 0; half_minutes <= 120; ++half_minutes) {
    const std::string time = half_minutes % 2 == 0 ? fmt::format("{}m", half_minutes / 2)
                                                   : fmt::format("{}m30s", half_minutes / 2);
    for (int i = 0; i < 9; ++i) {
      test.checks.push_back({.alert = fmt::format("A{}", i), .expr = {}, .time = time});
    }
  }
  // Pending and firing, since when, and what was recorded.
  for (int half_minutes = 0; half_minutes <= 120; ++half_minutes) {
    for (const char* expr : {"ALERTS", "ALERTS_FOR_STATE", "job:m:sum", "alerts"}) {
      test.checks.push_back(
          {.alert = {}, .expr = expr, .time = fmt::format("{}s", half_minutes * 30)});
    }
  }
  return test;
}

RuleTestMaker::Test RuleTestMaker::Make(int number) {
  Test test{.name = fmt::format("test {}", number), .head = {}, .checks = {}};
  test.head = "- name: " + test.name + "\n" + Series(OneOf({"1m", "30s", "15s"}), 3 + Below(5));
  for (int i = 0; i < 4; ++i) {
    test.checks.push_back({.alert = fmt::format("A{}", Below(9)),
                           .expr = {},
                           .time = OneOf({"0s", "1m", "2m", "3m", "3m20s", "4m", "5m", "7m"})});
  }
  for (int i = 0; i < 2; ++i) {
    test.checks.push_back(
        {.alert = {},
         .expr = OneOf({"m", "job:m:sum", "alerts", "sum(ALERTS) by (alertname)", "rate(c[2m])",
                        "ALERTS_FOR_STATE", "1.5", "count({__name__=~\".+\"})", "m / n"}),
         .time = OneOf({"2m", "3m30s", "5m", "6m"})});
  }
  return test;
}

std::string RuleTestMaker::File(const std::string& rules, const std::vector<Test>& tests,
                                const Expected& expected) const {
  std::string out = "rule_files: [" + rules +
                    "]\nevaluation_interval: 30s\ngroup_eval_order: [one, two]\ntests:\n";
  for (std::size_t i = 0; i < tests.size(); ++i) {
    out += tests[i].head + "  alert_rule_test:\n";
    bool exprs = false;
    for (std::size_t j = 0; j < tests[i].checks.size(); ++j) {
      const Check& check = tests[i].checks[j];
      if (!check.alert.empty()) {
        out += fmt::format("  - {{eval_time: {}, alertname: {}, exp_alerts: {}}}\n", check.time,
                           check.alert, expected(i, j));
        continue;
      }
      if (!std::exchange(exprs, true)) out += "  promql_expr_test:\n";
      out += fmt::format("  - {{eval_time: {}, expr: '{}', exp_samples: {}}}\n", check.time,
                         check.expr, expected(i, j));
    }
  }
  return out;
}

std::string RuleTestMaker::Broken(std::string expected) {
  if (expected == "[]") return "[{}]";
  const auto replace = [&](const std::string& from, const std::string& to) {
    const std::size_t at = expected.find(from);
    if (at == std::string::npos) return false;
    expected.replace(at, from.size(), to);
    return true;
  };
  switch (Below(4)) {
    case 0:
      return "[]";
    case 1:
      if (replace("api", "apj")) return expected;
      break;
    case 2:
      if (const std::size_t at = expected.find("value: "); at != std::string::npos) {
        return expected.replace(at, expected.find('}', at) - at, "value: 4321");
      }
      break;
    default:
      break;
  }
  if (!replace("a: \"", "a: \"x")) return "[{}]";
  return expected;
}

}  // namespace fettle
