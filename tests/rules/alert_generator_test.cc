// The cases of prometheus/compliance's alert_generator on a clock that the test passes: samples
// come every 15 s, groups are evaluated every 30 s at slots of their own, and at every moment the
// API, the series ALERTS and what was told must be what the specification allows then.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/json.h"
#include "rules/rules_api.h"
#include "rules/samples/samples.h"
#include "tests/rules/rule_town.h"

namespace fettle::rules {
namespace {

using namespace std::chrono_literals;
constexpr Millis kSampleEvery = 15s;
constexpr Millis kGroupEvery = 30s;
constexpr Millis kResendDelay = 1min;
// Slots are not whole milliseconds apart from the clock's.
constexpr Millis kRounding = 1ms;

// So many samples of a value.
struct Stretch {
  double value;
  int samples;
};
struct Source {
  Labels labels;
  std::vector<Stretch> stretches;
};
// From sample `from` until sample `to` and a group's interval more, this may be what there is:
// "firing Rule1{variant="one"} 11; …", "" if nothing.
struct Window {
  int from;
  int to;
  std::string alerts;
};

Labels SourceOf(const std::string& alert, const std::string& group) {
  return {{"__name__", "source"}, {"alertname", alert}, {"rulegroup", group}};
}

class AlertGeneratorTest : public testing::Test {
 protected:
  struct Told {
    Time at;
    Alert alert;
  };

  // Plays `samples` samples of the sources with one group of the rules.
  void Play(const std::string& group, const std::vector<Source>& sources, int samples,
            const std::vector<Window>& windows) {
    LoadGroup(group);
    const Time zero = clock_.Now().wall;
    for (int i = 0; i < samples; ++i) {
      Append(sources, i);
      // Looks thrice between two samples.
      for (int part = 0; part < 3; ++part) {
        Pass(kSampleEvery / 3);
        Look(clock_.Now().wall - zero, windows);
      }
      ASSERT_FALSE(HasFailure()) << "after sample " << i;
    }
    zero_ = zero;
  }

  // What was told of one alert, as seconds since the start, in order.
  std::vector<Told> ToldOf(const std::string& name) const {
    std::vector<Told> out;
    for (const Told& one : told_) {
      if (one.alert.labels.Get("alertname") == name) out.push_back(one);
    }
    return out;
  }

  // Between samples `from` and `to` the alert is told when it begins (within `late`), and again at
  // the first evaluation after the resend delay, with the right ends; and nothing else.
  void ExpectTold(std::vector<Told>& told, int from, int to, bool resolved,
                  Millis late = kGroupEvery) {
    const Time begin = zero_ + from * kSampleEvery;
    const Time end = zero_ + to * kSampleEvery;
    ASSERT_FALSE(told.empty());
    EXPECT_GE(told[0].at, begin);
    EXPECT_LE(told[0].at, begin + late);
    const Time starts_at = told[0].alert.starts_at;
    Time last{};
    std::size_t count = 0;
    for (const Told& one : told) {
      if (one.alert.ResolvedAt(one.at) != resolved || (!resolved && one.at > end + kGroupEvery)) {
        break;
      }
      ++count;
      EXPECT_EQ(one.alert.starts_at, starts_at);
      if (resolved) {
        EXPECT_EQ(one.alert.ends_at, told[0].alert.ends_at);
        EXPECT_LE(one.at - told[0].at, 15min);
      } else {
        const Time ends_at = one.at + 4 * std::max(kResendDelay, kGroupEvery);
        EXPECT_LE(one.alert.ends_at, ends_at);
        EXPECT_GE(one.alert.ends_at, ends_at - kRounding);
      }
      if (last != Time{}) {
        EXPECT_GE(one.at - last, kResendDelay);
        EXPECT_LE(one.at - last, kResendDelay + kGroupEvery + kRounding);
      }
      last = one.at;
    }
    // It went on being told until the end (of a resolved one: for fifteen minutes at most).
    const Time until = resolved ? std::min(end, told[0].at + 15min) : end;
    EXPECT_GE(last + kResendDelay + kGroupEvery, until);
    told.erase(told.begin(), told.begin() + static_cast<std::ptrdiff_t>(count));
  }

 private:
  void LoadGroup(const std::string& group) {
    yaml::Complaints complaints;
    std::vector<GroupSpec> groups =
        ReadRuleFile(std::string(FETTLE_TEST_DATA) + "/alert_generator/rules.yml", complaints);
    ASSERT_EQ(complaints.ToString(), "");
    std::erase_if(groups, [&](const GroupSpec& one) { return one.name != group; });
    ASSERT_EQ(groups.size(), 1U);
    manager_.Update({.resend_delay = kResendDelay}, std::move(groups), clock_.Now());
  }
  void Append(const std::vector<Source>& sources, int i) {
    SampleBatch batch{.samples = {}, .origin = Origin::kRemoteWrite};
    for (const Source& source : sources) {
      int end = 0;
      for (const Stretch& stretch : source.stretches) {
        end += stretch.samples;
        if (i >= end) continue;
        batch.samples.push_back({source.labels, stretch.value, clock_.Now().wall});
        break;
      }
    }
    ASSERT_TRUE(samples_.Append(batch));
  }
  void Settle() {
    do {
      brain_.RunUntil(clock_.Now());
    } while (hands_.Work() > 0);
    for (AlertBatch& batch : std::exchange(alerts_.batches, {})) {
      for (Alert& alert : batch.alerts) told_.push_back({clock_.Now().wall, std::move(alert)});
    }
  }
  void Pass(Micros duration) {
    const BootTime until = clock_.Now().boot + duration;
    while (const auto next = brain_.NextDeadline()) {
      if (*next > until) break;
      clock_.Pass(std::max(Micros(0), *next - clock_.Now().boot));
      Settle();
    }
    clock_.Pass(until - clock_.Now().boot);
    Settle();
  }

  void Look(Millis since, const std::vector<Window>& windows) {
    std::vector<std::string> allowed;
    for (const Window& window : windows) {
      if (since >= window.from * kSampleEvery && since <= window.to * kSampleEvery + kGroupEvery) {
        allowed.push_back(window.alerts);
      }
    }
    const std::string now = ByApi();
    EXPECT_NE(std::find(allowed.begin(), allowed.end(), now), allowed.end())
        << since.count() / 1000 << " s: " << now
        << "; allowed: " << ::testing::PrintToString(allowed);
    EXPECT_EQ(BySeries(), WithoutValues(now)) << since.count() / 1000 << " s";
  }

  // /api/v1/alerts, checked against /api/v1/rules on the way.
  std::string ByApi() const {
    const std::vector<GroupView> views = manager_.View();
    const HttpResponse alerts = ServeAlerts(views, {});
    const Json data = (*Json::Parse(alerts.body))["data"];
    std::vector<std::string> lines;
    for (const Json& alert : data["alerts"].Items()) lines.push_back(Line(alert));
    const HttpResponse rules = ServeRules(views, {});
    const Json group = (*Json::Parse(rules.body))["data"]["groups"].Items().at(0);
    EXPECT_EQ(group["interval"].NumberOr(0), 30);
    std::vector<std::string> by_rule;
    for (const Json& rule : group["rules"].Items()) {
      const std::string health = rule["health"].StringOr("");
      EXPECT_EQ(rule["lastError"].StringOr(""), "");
      EXPECT_TRUE(health == "ok" || health == "unknown");
      std::string highest = health == "unknown" ? "unknown" : "inactive";
      for (const Json& alert : rule["alerts"].Items()) {
        by_rule.push_back(Line(alert));
        const std::string state = alert["state"].StringOr("");
        if (highest != "firing") highest = state;
      }
      EXPECT_EQ(rule["state"].StringOr(""), highest);
    }
    EXPECT_EQ(by_rule, lines);
    std::sort(lines.begin(), lines.end());
    return Joined(lines);
  }
  std::string BySeries() const {
    const auto tree = promql::Parse("ALERTS").value();
    const auto answer = engine_.Instant(*tree, clock_.Now().wall, promql::Engine::kNoDeadline);
    std::vector<std::string> lines;
    for (const promql::Element& element : answer.value().value.vector) {
      EXPECT_EQ(element.value, 1);
      Labels labels = *element.labels;
      const std::string state(labels.Get("alertstate"));
      labels.Remove("alertstate");
      lines.push_back(state + " " + Short(std::move(labels)));
    }
    std::sort(lines.begin(), lines.end());
    return Joined(lines);
  }
  static std::string Line(const Json& alert) {
    std::vector<Labels::Pair> pairs;
    for (const auto& [name, value] : alert["labels"].Entries()) {
      pairs.emplace_back(name, value.StringOr(""));
    }
    Labels labels(std::move(pairs));
    // Only of the alert that asks about it does ALERTS give this label.
    labels.Remove("alertstate");
    return alert["state"].StringOr("") + " " + Short(std::move(labels)) + " " +
           alert["value"].StringOr("");
  }
  // The name, and the variant if there is one: the rule's labels are checked by what is told.
  static std::string Short(Labels labels) {
    std::string out(labels.Get("alertname"));
    if (labels.Has("variant")) out += ":" + std::string(labels.Get("variant"));
    return out;
  }
  static std::string Joined(const std::vector<std::string>& lines) {
    std::string out;
    for (const std::string& line : lines) out += (out.empty() ? "" : "; ") + line;
    return out;
  }
  static std::string WithoutValues(std::string text) {
    std::string out;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find("; "), text.size());
      const std::string one = text.substr(0, end);
      out += (out.empty() ? "" : "; ") + one.substr(0, one.rfind(' '));
      text.erase(0, end + 2);
    }
    return out;
  }

 protected:
  Time zero_;
  ManualClock clock_;
  Brain brain_;
  InlineHands hands_;
  SampleStore samples_{{}};
  promql::Engine engine_{{.samples = samples_, .clock = clock_}, {}};
  EngineQuery query_{engine_};
  FakeAlertSink alerts_;
  MemoryStore store_{clock_};
  Metrics metrics_;
  RecordedLog log_;
  RuleManager manager_{{.brain = brain_,
                        .hands = hands_,
                        .clock = clock_,
                        .query = query_,
                        .samples = samples_,
                        .alerts = alerts_,
                        .store = store_,
                        .metrics = metrics_,
                        .log = log_.For("rules")}};
  std::vector<Told> told_;
};

TEST_F(AlertGeneratorTest, PendingAndFiringAndResolved) {
  const std::string a = " SimpleAlert ";
  Play("PendingAndFiringAndResolved",
       {{SourceOf("SimpleAlert", "PendingAndFiringAndResolved"),
         {{3, 1}, {5, 3}, {9, 4}, {11, 13}, {15, 32}, {19, 16}, {9, 20}, {15, 45}, {8, 16}}}},
       150,
       {{0, 8, ""},
        {8, 21, "pending" + a + "1.1e+01"},
        {21, 32, "pending" + a + "1.5e+01"},
        {32, 53, "firing" + a + "1.5e+01"},
        {53, 69, "firing" + a + "1.9e+01"},
        {69, 89, ""},
        {89, 113, "pending" + a + "1.5e+01"},
        {113, 134, "firing" + a + "1.5e+01"},
        {134, 150, ""}});
  std::vector<Told> told = ToldOf("SimpleAlert");
  for (const Told& one : told) {
    EXPECT_EQ(one.alert.labels, (Labels{{"alertname", "SimpleAlert"},
                                        {"foo", "bar"},
                                        {"rulegroup", "PendingAndFiringAndResolved"}}));
    const Millis since = one.at - zero_;
    const bool changed = since > 53 * kSampleEvery + kGroupEvery && since < 113 * kSampleEvery;
    if (since < 53 * kSampleEvery || since > 113 * kSampleEvery || changed) {
      EXPECT_EQ(one.alert.annotations.Get("summary"),
                changed ? "The value is 19 19" : "The value is 15 15");
    }
  }
  ExpectTold(told, 32, 69, false);
  ExpectTold(told, 69, 89, true);
  ExpectTold(told, 113, 134, false);
  ExpectTold(told, 134, 150, true);
  EXPECT_TRUE(told.empty());
}

TEST_F(AlertGeneratorTest, PendingAndResolvedAndAlwaysInactive) {
  const std::vector<Stretch> script = {{3, 1}, {5, 3}, {9, 4}, {11, 11}, {9, 1}};
  const std::string group = "PendingAndResolved_AlwaysInactive";
  Play(group,
       {{SourceOf("PendingAlert", group), script}, {SourceOf("InactiveAlert", group), script}}, 60,
       {{0, 8, ""}, {8, 19, "pending PendingAlert 1.1e+01"}, {19, 60, ""}});
  EXPECT_TRUE(told_.empty());
}

TEST_F(AlertGeneratorTest, ZeroForAndSmallFor) {
  const std::vector<Stretch> script = {{3, 1}, {5, 3}, {9, 4}, {15, 13}, {9, 72}, {11, 13}, {9, 1}};
  const std::string group = "ZeroFor_SmallFor";
  std::vector<Source> sources = {{SourceOf("ZeroFor", group), script},
                                 {SourceOf("SmallFor", group), script}};
  for (int i = 1; i <= 3; ++i) {
    const Labels labels = {{"__name__", "source"},
                           {"rulegroup", group},
                           {"for", "template"},
                           {"id", std::to_string(100 + i)},
                           {"__value__", "val" + std::to_string(i)}};
    sources.push_back({labels, {{1.0 * i, 28}, {2.0 * i, 201}}});
  }
  Play(group, sources, 127,
       {{0, 8, ""},
        {8, 10, "firing ZeroFor 1.5e+01; pending SmallFor 1.5e+01"},
        {10, 21, "firing SmallFor 1.5e+01; firing ZeroFor 1.5e+01"},
        {8, 21, "firing SmallFor 1.5e+01; firing ZeroFor 1.5e+01"},
        {21, 93, ""},
        {93, 106, "firing ZeroFor 1.1e+01"},
        {106, 127, ""}});
  std::vector<Told> zero = ToldOf("ZeroFor");
  std::vector<Told> small = ToldOf("SmallFor");
  EXPECT_EQ(zero.at(0).alert.annotations.Get("template_test"),
            "1.049M 1Mi 2m 15s 95.9% 2022-01-25 12:36:43 +0000 UTC");
  EXPECT_EQ(zero.at(0).alert.annotations.Get("template_query_test"),
            "Args are: foo bar 99. first_id:101,101:1,102:2,103:3,");
  EXPECT_EQ(small.at(0).alert.annotations.Get("template_test"),
            "This Part IS TESTING the strings. ::1 127.0.0.1. 7815. replaced text. .");
  EXPECT_EQ(small.at(0).alert.labels,
            (Labels{{"alertname", "SmallFor"}, {"ba_dum", "tss"}, {"rulegroup", group}}));
  ExpectTold(zero, 8, 21, false);
  ExpectTold(zero, 21, 93, true, 2 * kGroupEvery);
  EXPECT_EQ(zero.at(0).alert.annotations.Get("template_query_test"),
            "Args are: foo bar 99. first_id:101,101:2,102:4,103:6,");
  ExpectTold(zero, 93, 106, false);
  ExpectTold(zero, 106, 127, true);
  EXPECT_TRUE(zero.empty());
  // Not before the second evaluation.
  EXPECT_GE(small.at(0).at - zero_, 8 * kSampleEvery + kGroupEvery);
  ExpectTold(small, 8, 21, false, 2 * kGroupEvery);
  ExpectTold(small, 21, 93, true, 2 * kGroupEvery);
  EXPECT_TRUE(small.empty());
}

TEST_F(AlertGeneratorTest, NewAlertsAndOrderOfRules) {
  const std::string group = "NewAlerts_OrderCheck";
  const auto variant = [&](const char* name) {
    Labels labels = SourceOf("Rule1", group);
    labels.Set("variant", name);
    return labels;
  };
  Play(group,
       {{variant("one"), {{1, 8}, {11, 65}, {9, 21}}},
        {variant("two"), {{1, 32}, {11, 33}, {9, 21}}}},
       94,
       {{0, 8, ""},
        {8, 20, "pending Rule1:one 1.1e+01"},
        {20, 32, "firing Rule1:one 1.1e+01"},
        {32, 44, "firing Rule1:one 1.1e+01; pending Rule1:two 1.1e+01"},
        {44, 65, "firing Rule1:one 1.1e+01; firing Rule1:two 1.1e+01; firing Rule2 2e+00"},
        {65, 73, "firing Rule1:one 1.1e+01"},
        {73, 94, ""}});
  std::vector<Told> second = ToldOf("Rule2");
  EXPECT_EQ(second.at(0).alert.annotations.Get("description"),
            "Based on ALERTS. Old alertname was Rule1. foo was bar.");
  EXPECT_EQ(second.at(0).alert.labels, (Labels{{"alertname", "Rule2"},
                                               {"alertstate", "firing"},
                                               {"ba_dum", "tss"},
                                               {"foo", "baz"},
                                               {"rulegroup", group}}));
  ExpectTold(second, 44, 65, false);
  ExpectTold(second, 65, 94, true);
  EXPECT_TRUE(second.empty());
  EXPECT_FALSE(ToldOf("Rule1").empty());
}

}  // namespace
}  // namespace fettle::rules
