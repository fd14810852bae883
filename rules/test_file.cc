#include "rules/test_file.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>

#include "common/duration.h"
#include "common/labels.h"

namespace fettle::rules {
namespace {

std::vector<std::string> FilesLike(const std::string& pattern) {
  std::vector<std::string> paths;
  glob_t found{};
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) paths.emplace_back(found.gl_pathv[i]);
  }
  globfree(&found);
  return paths;
}

// A number as YAML writes it: .inf and .nan, too.
Result<double> ReadNumber(const yaml::Node& node) {
  std::string word = node.text;
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (word == ".nan") return std::numeric_limits<double>::quiet_NaN();
  if (word == ".inf" || word == "+.inf") return std::numeric_limits<double>::infinity();
  if (word == "-.inf") return -std::numeric_limits<double>::infinity();
  return yaml::Decode<double>(node);
}

// Seconds since the epoch, or RFC 3339.
Result<Time> ReadStart(const yaml::Node& node) {
  double seconds = 0;
  const char* const end = node.text.data() + node.text.size();
  const auto read = std::from_chars(node.text.data(), end, seconds);
  if (read.ec == std::errc() && read.ptr == end && std::abs(seconds) < 1e12) {
    return TimeFromMillis(std::llround(seconds * 1000));
  }
  return ParseRfc3339(node.text);
}

class TestReader {
 public:
  TestReader(const yaml::Node& node, Millis default_interval, yaml::Complaints& complaints)
      : map_(node, "test", complaints), default_interval_(default_interval) {}

  TestGroup Read() {
    TestGroup test;
    test.name = map_.Get<std::string>("name", "");
    test.interval = map_.Get<Millis>("interval", Millis(0));
    if (test.interval == Millis(0)) test.interval = default_interval_;
    if (const yaml::Node* start = map_.Child("start_timestamp")) {
      const Result<Time> time = ReadStart(*start);
      if (!time) map_.Complain(start->place, "start_timestamp: " + time.error().message);
      test.start = time.value_or(Time{});
    }
    test.external_labels = map_.StringMap("external_labels");
    test.external_url = map_.Get<std::string>("external_url", "");
    map_.ForEach("input_series", [&](const yaml::Node& node) {
      yaml::Mapping one(node, "input_series", map_.complaints());
      std::string series = one.Get<std::string>("series", "");
      test.input.push_back({std::move(series), one.Get<std::string>("values", "")});
    });
    map_.ForEach("alert_rule_test", [&](const yaml::Node& node) { ReadAlerts(node, test); });
    map_.ForEach("promql_expr_test", [&](const yaml::Node& node) { ReadExpr(node, test); });
    map_.ForEach("notification_test", [&](const yaml::Node& node) { ReadTold(node, test); });
    map_.ForEach("remediation_test", [&](const yaml::Node& node) { ReadRepair(node, test); });
    return test;
  }

 private:
  void ReadAlerts(const yaml::Node& node, TestGroup& test) {
    yaml::Mapping map(node, "alert_rule_test", map_.complaints());
    AlertCheck check;
    check.eval_time = map.Get<Millis>("eval_time", Millis(0));
    check.alertname = map.Get<std::string>("alertname", "");
    check.partial = map.Get<bool>("partial", false);
    if (check.alertname.empty()) {
      map.Complain(node.place,
                   fmt::format("an item under alert_rule_test misses required attribute alertname "
                               "at eval_time {}",
                               FormatDuration(check.eval_time)));
    }
    map.ForEach("exp_alerts", [&](const yaml::Node& item) {
      yaml::Mapping alert(item, "exp_alerts", map_.complaints());
      ExpectedAlert expected{alert.StringMap("exp_labels"), alert.StringMap("exp_annotations")};
      expected.labels["alertname"] = check.alertname;
      check.expected.push_back(std::move(expected));
    });
    test.alerts.push_back(std::move(check));
  }

  void ReadExpr(const yaml::Node& node, TestGroup& test) {
    yaml::Mapping map(node, "promql_expr_test", map_.complaints());
    ExprCheck check;
    check.eval_time = map.Get<Millis>("eval_time", Millis(0));
    check.expr = map.Get<std::string>("expr", "");
    map.ForEach("exp_samples", [&](const yaml::Node& item) {
      yaml::Mapping sample(item, "exp_samples", map_.complaints());
      ExpectedSample expected;
      expected.labels = sample.Get<std::string>("labels", "");
      expected.histogram = sample.Get<std::string>("histogram", "");
      if (const yaml::Node* value = sample.Child("value")) {
        const Result<double> number = ReadNumber(*value);
        if (!number) sample.Complain(value->place, "value " + number.error().message);
        expected.value = number.value_or(0);
      }
      check.expected.push_back(std::move(expected));
    });
    test.exprs.push_back(std::move(check));
  }

  void ReadTold(const yaml::Node& node, TestGroup& test) {
    yaml::Mapping map(node, "notification_test", map_.complaints());
    NotificationCheck check;
    check.eval_time = map.Get<Millis>("eval_time", Millis(0));
    check.receiver = map.Require<std::string>("receiver");
    map.ForEach("exp", [&](const yaml::Node& item) {
      yaml::Mapping told(item, "exp", map_.complaints());
      NotificationCheck::Told expected;
      expected.status = told.OneOf<std::string>("status", "firing",
                                                {{"firing", "firing"}, {"resolved", "resolved"}});
      told.ForEach("alerts", [&](const yaml::Node& alert) {
        TextMap labels;
        for (const yaml::Entry& entry : alert.entries) labels[entry.key.text] = entry.value.text;
        expected.alerts.push_back(std::move(labels));
      });
      check.expected.push_back(std::move(expected));
    });
    test.notifications.push_back(std::move(check));
  }

  void ReadRepair(const yaml::Node& node, TestGroup& test) {
    yaml::Mapping map(node, "remediation_test", map_.complaints());
    RemediationCheck check;
    check.eval_time = map.Get<Millis>("eval_time", Millis(0));
    check.repair = map.Require<std::string>("repair");
    check.target = map.Get<std::string>("target", "");
    if (const yaml::Node* expected = map.Child("exp")) {
      yaml::Mapping exp(*expected, "exp", map_.complaints());
      check.decision = exp.OneOf<std::string>("decision", "", {{"act", "act"}, {"hold", "hold"}});
      check.action = exp.Find<std::string>("action");
      check.reason = exp.Find<std::string>("reason");
    }
    test.remediations.push_back(std::move(check));
  }

  yaml::Mapping map_;
  const Millis default_interval_;
};

class TestFileReader {
 public:
  TestFileReader(const yaml::Node& root, const std::string& path, yaml::Complaints& complaints)
      : map_(root, "", complaints), directory_(std::filesystem::path(path).parent_path()) {}

  TestFile Read() {
    TestFile file;
    file.evaluation_interval = map_.Get<Millis>("evaluation_interval", Millis(0));
    if (file.evaluation_interval <= Millis(0)) file.evaluation_interval = std::chrono::minutes(1);
    file.fuzzy_compare = map_.Get<bool>("fuzzy_compare", false);
    for (const std::string& pattern : map_.List<std::string>("rule_files")) {
      const std::string path = Resolve(pattern);
      std::vector<std::string> found = FilesLike(path);
      if (found.empty()) file.files_not_found.push_back(path);
      std::move(found.begin(), found.end(), std::back_inserter(file.rule_files));
    }
    if (const auto config = map_.Find<std::string>("fettle_config")) {
      file.fettle_config = Resolve(*config);
    }
    map_.ForEach("group_eval_order", [&](const yaml::Node& item) {
      const int place = static_cast<int>(file.order.size());
      if (file.order.emplace(item.text, place).second) return;
      map_.Complain(item.place, "group name repeated in evaluation order: " + item.text);
    });
    map_.ForEach("tests", [&](const yaml::Node& item) {
      file.tests.push_back(TestReader(item, file.evaluation_interval, map_.complaints()).Read());
    });
    return file;
  }

 private:
  std::string Resolve(const std::string& name) const {
    return (directory_ / name).lexically_normal().string();
  }
  yaml::Mapping map_;
  const std::filesystem::path directory_;
};

}  // namespace

Millis TestGroup::LastEval() const {
  Millis last(0);
  for (const AlertCheck& check : alerts) last = std::max(last, check.eval_time);
  for (const ExprCheck& check : exprs) last = std::max(last, check.eval_time);
  for (const NotificationCheck& check : notifications) last = std::max(last, check.eval_time);
  for (const RemediationCheck& check : remediations) last = std::max(last, check.eval_time);
  return last;
}

TestFile ReadTestFile(std::string_view text, const std::string& path,
                      yaml::Complaints& complaints) {
  const auto root = yaml::Load(text, path, complaints, {.expand_environment = false, .getenv = {}});
  if (!root) return {};
  return TestFileReader(*root, path, complaints).Read();
}

}  // namespace fettle::rules
