#include "rules/test_run.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>

#include "common/brain.h"
#include "common/duration.h"
#include "common/gotemplate.h"
#include "common/log.h"
#include "common/metrics.h"
#include "rules/forgetful_store.h"
#include "rules/group.h"
#include "rules/promql/histogram_literal.h"
#include "rules/promql/native_histogram.h"
#include "rules/promql/series_description.h"
#include "rules/test_texts.h"

namespace fettle::rules {
namespace {

// As many numbers may one query load, as with promtool.
constexpr std::size_t kQuerySamplesMax = 10'000;
constexpr Millis kRetention = std::chrono::hours(24 * 365 * 100);

class Ear final : public AlertSink {
 public:
  void Post(AlertBatch batch, Then then) override {
    std::move(batch.alerts.begin(), batch.alerts.end(), std::back_inserter(heard));
    then({});
  }
  std::vector<Alert> heard;
};

// One test: its samples, its groups, its time.
class TestTown {
 public:
  TestTown(const TestFile& file, const TestGroup& test, const TestRunOptions& options)
      : file_(file),
        test_(test),
        options_(options),
        engine_({.samples = samples_, .clock = clock_},
                options.features.On(
                    {.samples_max = kQuerySamplesMax, .default_step = file.evaluation_interval})) {}

  Status Load() {
    std::map<Labels, std::vector<promql::SequenceValue>> all;  // of two alike, the last
    for (std::size_t i = 0; i < test_.input.size(); ++i) {
      const std::string line = test_.input[i].series + " " + test_.input[i].values;
      auto series = promql::ParseSeriesDescription(line);
      if (!series) {
        // Where a promql test file would have the line, after its `load`.
        std::string_view why = series.error().message;
        if (why.starts_with("1:")) why.remove_prefix(2);
        return Fail(Cause::kInvalid, "{}:{}", i + 2, why);
      }
      all[std::move(series->labels)] = std::move(series->values);
    }
    for (auto& [labels, values] : all) input_.push_back({labels, std::move(values)});
    return {};
  }

  void Build(const std::vector<GroupSpec>& groups) {
    const auto world = std::make_shared<const RuleWorld>(RuleWorld::Make(
        test_.external_url, Labels({test_.external_labels.begin(), test_.external_labels.end()})));
    for (const GroupSpec& spec : groups) {
      groups_.push_back(std::make_shared<Group>(
          Group::Deps{query_, samples_, ear_, store_, brain_, clock_, metrics_, log_},
          Group::Options{.world = world,
                         .default_interval = test_.interval,
                         .parser = options_.features.parser},
          spec));
    }
  }

  std::vector<std::string> Play(TestWatcher* watcher) {
    std::vector<std::string> failures;
    const Time end = test_.start + test_.LastEval();
    for (Time at = test_.start; at <= end; at += file_.evaluation_interval) {
      if (Status loaded = AppendUntil(at); !loaded) failures.push_back(loaded.error().message);
      const std::size_t before = failures.size();
      for (const auto& group : groups_) {
        group->Evaluate(at);
        AddErrors(*group, at, failures);
      }
      if (failures.size() > before) return failures;
      const Time next = at + file_.evaluation_interval;
      if (watcher != nullptr) watcher->OnEvaluation(at, next, std::exchange(ear_.heard, {}));
      CheckAlerts(at - test_.start, next - test_.start, failures);
    }
    for (const ExprCheck& check : test_.exprs) CheckExpr(check, failures);
    return failures;
  }

  // All samples, for a person.
  std::string Dump() const {
    const Millis length =
        std::chrono::floor<std::chrono::seconds>(test_.LastEval()) + std::chrono::seconds(1);
    const auto tree = promql::Parse(
        fmt::format("{{__name__=~\".+\"}}[{}]", FormatDuration(length + std::chrono::seconds(1))));
    const auto answer = engine_.Instant(**tree, test_.start + length, promql::Engine::kNoDeadline);
    if (!answer) return answer.error().message;
    std::string out;
    for (const promql::Series& series : answer->value.matrix) {
      out += series.labels->ToString() + " =>\n";
      for (const promql::Point& point : series.points) {
        out += fmt::format("{} @[{}]\n", point.value, point.at);
      }
      for (const promql::HistogramPoint& point : series.histograms) {
        out += fmt::format("{} @[{}]\n", promql::Show(*point.histogram), point.at);
      }
    }
    return out;
  }

 private:
  struct Input {
    Labels labels;
    std::vector<promql::SequenceValue> values;
    std::size_t next = 0;
  };

  Status AppendUntil(Time until) {
    SampleBatch batch;
    for (Input& input : input_) {
      for (; input.next < input.values.size(); ++input.next) {
        const Time at = test_.start + test_.interval * static_cast<std::int64_t>(input.next);
        if (at > until) break;
        const promql::SequenceValue& value = input.values[input.next];
        if (!value.omitted) {
          batch.samples.push_back({input.labels, value.value, at, value.histogram});
        }
      }
    }
    return samples_.Append(batch);
  }

  static void AddErrors(const Group& group, Time at, std::vector<std::string>& failures) {
    for (const auto& [rule, error] : group.Failures()) {
      const std::int64_t nanos = at.time_since_epoch().count() * 1'000'000;
      failures.push_back(fmt::format("    rule: {}, time: {}, err: {}", rule,
                                     gotemplate::Print(gotemplate::Duration(nanos)), error));
    }
  }

  void CheckAlerts(Millis from, Millis to, std::vector<std::string>& failures) const {
    std::vector<const AlertCheck*> due;
    for (const AlertCheck& check : test_.alerts) {
      if (check.eval_time >= from && check.eval_time < to) due.push_back(&check);
    }
    if (due.empty()) return;
    std::stable_sort(due.begin(), due.end(), [](const AlertCheck* a, const AlertCheck* b) {
      return a->eval_time < b->eval_time;
    });
    std::map<std::string, std::vector<ShownAlert>> firing;
    for (const auto& group : groups_) {
      for (const RuleView& rule : group->View().rules) {
        for (const ActiveAlert& alert : rule.alerts) {
          if (alert.state != AlertState::kFiring) continue;
          firing[rule.spec.name].push_back({alert.labels, alert.annotations});
        }
      }
    }
    for (auto& [name, alerts] : firing) std::sort(alerts.begin(), alerts.end());
    for (const AlertCheck* check : due) {
      if (auto failure =
              CompareAlerts(test_.name, *check, firing[check->alertname], options_.diff)) {
        failures.push_back(*std::move(failure));
      }
    }
  }

  void CheckExpr(const ExprCheck& check, std::vector<std::string>& failures) const {
    Result<std::vector<ShownSample>> got = Ask(check);
    if (!got) return failures.push_back(ExprFailure(check, got.error().message));
    Result<std::vector<ShownSample>> expected = Read(check.expected);
    if (!expected) return failures.push_back(ExprFailure(check, expected.error().message));
    const auto by_labels = [](const ShownSample& a, const ShownSample& b) {
      return a.labels < b.labels;
    };
    std::stable_sort(got->begin(), got->end(), by_labels);
    std::stable_sort(expected->begin(), expected->end(), by_labels);
    if (auto failure = CompareSamples(check, *expected, *got, file_.fuzzy_compare)) {
      failures.push_back(*std::move(failure));
    }
  }

  Result<std::vector<ShownSample>> Ask(const ExprCheck& check) const {
    const Result<promql::ExprPtr> tree = promql::Parse(check.expr, options_.features.parser);
    if (!tree) return tl::unexpected(tree.error());
    const Result<RuleAnswer> answer =
        query_.Ask(**tree, check.expr, test_.start + check.eval_time, promql::Engine::kNoDeadline);
    if (!answer) return tl::unexpected(answer.error());
    std::vector<ShownSample> samples;
    for (const promql::Element& element : answer->vector) {
      const bool histogram = element.histogram != nullptr;
      samples.push_back({*element.labels, histogram ? 0 : element.value,
                         histogram ? promql::ShowLiteral(*element.histogram) : ""});
    }
    return samples;
  }

  static Result<std::vector<ShownSample>> Read(const std::vector<ExpectedSample>& expected) {
    std::vector<ShownSample> samples;
    for (const ExpectedSample& one : expected) {
      Result<Labels> labels = one.labels.empty() ? Labels{} : promql::ParseMetric(one.labels);
      if (!labels) return While("labels " + Quote(one.labels), labels.error());
      ShownSample sample{*std::move(labels), one.value, ""};
      if (!one.histogram.empty()) {
        const auto read = promql::ParseHistogramLiteral(one.histogram);
        if (!read) return While("labels " + Quote(one.labels), read.error());
        sample.histogram = promql::ShowLiteral(read->histogram);
      }
      samples.push_back(std::move(sample));
    }
    return samples;
  }

  const TestFile& file_;
  const TestGroup& test_;
  const TestRunOptions& options_;
  const SystemClock clock_;
  SampleStore samples_{{.retention = kRetention}};
  const promql::Engine engine_;
  const EngineQuery query_{engine_};
  Ear ear_;
  ForgetfulStore store_;
  Brain brain_;
  Metrics metrics_;
  LogWriter writer_{clock_, [](std::string_view) {}, {}};
  const Log log_{writer_, "rules"};
  std::vector<std::shared_ptr<Group>> groups_;
  std::vector<Input> input_;
};

bool Runs(const TestRunOptions& options, const std::string& name) {
  return options.run.empty() ||
         std::any_of(options.run.begin(), options.run.end(), [&](const std::string& pattern) {
           return re2::RE2::PartialMatch(name, pattern);
         });
}

std::vector<std::string> Lines(const yaml::Complaints& complaints) {
  std::vector<std::string> lines;
  std::string text = complaints.ToString();
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
    lines.push_back(text.substr(0, end));
    text.erase(0, end + 1);
  }
  if (!text.empty()) lines.push_back(std::move(text));
  return lines;
}

std::vector<GroupSpec> ReadGroups(const TestFile& file, const TestRunOptions& options,
                                  yaml::Complaints& complaints) {
  std::vector<GroupSpec> groups;
  const RuleFileOptions reading{.parser = options.features.parser,
                                .ignore_unknown_fields = options.ignore_unknown_fields};
  for (const std::string& path : file.rule_files) {
    std::vector<GroupSpec> read = ReadRuleFile(path, complaints, reading);
    std::move(read.begin(), read.end(), std::back_inserter(groups));
  }
  const auto place = [&file](const GroupSpec& group) {
    const auto it = file.order.find(group.name);
    return it == file.order.end() ? 0 : it->second;
  };
  std::stable_sort(groups.begin(), groups.end(),
                   [&](const GroupSpec& a, const GroupSpec& b) { return place(a) < place(b); });
  return groups;
}

}  // namespace

std::vector<std::string> RunTest(const TestFile& file, const TestGroup& test,
                                 const std::vector<GroupSpec>& groups,
                                 const TestRunOptions& options) {
  if (test.LastEval() / file.evaluation_interval >= kTestEvaluationsMax) {
    return {
        fmt::format("test {}: more than {} evaluations", Quote(test.name), kTestEvaluationsMax)};
  }
  TestTown town(file, test, options);
  if (Status loaded = town.Load(); !loaded) return {loaded.error().message};
  town.Build(groups);
  std::unique_ptr<TestWatcher> watcher;
  if (!test.notifications.empty() || !test.remediations.empty()) {
    auto made = options.watch ? options.watch(file, test)
                              : Result<std::unique_ptr<TestWatcher>>(
                                    Fail(Cause::kInvalid, "nobody is there who could be told"));
    if (!made) return {made.error().message};
    watcher = *std::move(made);
  }
  std::vector<std::string> failures = town.Play(watcher.get());
  if (watcher != nullptr) {
    for (std::string& failure : watcher->Verdict()) failures.push_back(std::move(failure));
  }
  if (options.debug) options.debug(town.Dump());
  return failures;
}

TestFileReport RunTestFile(const std::string& path, const TestRunOptions& options) {
  TestFileReport report;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    report.failures.push_back(fmt::format("{}: cannot be read", path));
    return report;
  }
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  yaml::Complaints complaints;
  report.file = ReadTestFile(text, path, complaints);
  for (const std::string& pattern : report.file.files_not_found) {
    report.warnings.push_back("no file match pattern " + pattern);
  }
  if (complaints.empty()) report.groups = ReadGroups(report.file, options, complaints);
  report.failures = Lines(complaints);
  if (!report.failures.empty()) return report;
  for (const TestGroup& test : report.file.tests) {
    if (!Runs(options, test.name)) continue;
    if (options.debug) options.debug("starting test " + test.name);
    report.cases.push_back({test.name, RunTest(report.file, test, report.groups, options)});
    for (const std::string& failure : report.cases.back().failures) {
      report.failures.push_back(failure);
    }
  }
  return report;
}

}  // namespace fettle::rules
