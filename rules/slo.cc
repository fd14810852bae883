#include "rules/slo.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <set>

#include "common/check.h"
#include "common/duration.h"
#include "common/number.h"
#include "rules/template_functions.h"

namespace fettle::rules {
namespace {

using yaml::Mapping;
using yaml::Node;
using Texts = std::map<std::string, std::string>;

constexpr Millis kDay = std::chrono::hours(24);

// Pairs of windows, and the share of the budget that may be spent within the long one.
struct BurnRate {
  const char* severity;
  const char* short_window;
  const char* long_window;
  Millis long_span;
  double budget_percent;
};
constexpr std::array kBurnRates = {
    BurnRate{"page", "5m", "1h", std::chrono::hours(1), 2},
    BurnRate{"page", "30m", "6h", std::chrono::hours(6), 5},
    BurnRate{"ticket", "2h", "1d", kDay, 10},
    BurnRate{"ticket", "6h", "3d", 3 * kDay, 10},
};
constexpr std::array kWindows = {"5m", "30m", "1h", "2h", "6h", "1d", "3d"};
constexpr const char* kShortest = "5m";

// Sloth and we name windows in the same words, whole days included.
std::string WindowName(Millis window) {
  const auto days = window / kDay;
  return window % kDay == Millis(0) ? fmt::format("{}d", days) : FormatDuration(window);
}

std::string WithWindow(std::string text, const std::string& window) {
  for (const std::string_view name : {"$window", "{{.window}}", "{{ .window }}"}) {
    for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos; at += window.size()) {
      text.replace(at, name.size(), window);
    }
  }
  return text;
}

std::string ErrorRatio(const SloSpec& slo, const std::string& window) {
  if (!slo.error_ratio.empty()) return fmt::format("({})", WithWindow(slo.error_ratio, window));
  return fmt::format("({})\n/\n({})", WithWindow(slo.bad, window), WithWindow(slo.total, window));
}

std::string Selector(const SloSpec& slo) {
  return fmt::format("{{sloth_id={}, sloth_service={}, sloth_slo={}}}", Quote(slo.Id()),
                     Quote(slo.service), Quote(slo.name));
}

// "api-latency" becomes "ApiLatency".
std::string CamelCase(std::string_view text) {
  std::string out;
  bool up = true;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) {
      up = true;
      continue;
    }
    out += up ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    up = false;
  }
  return out;
}

class Builder {
 public:
  Builder(const SloSpec& slo, const promql::ParserOptions& parser)
      : slo_(slo), parser_(parser), selector_(Selector(slo)) {}

  std::vector<GroupSpec> Build() {
    std::vector<GroupSpec> groups = {Errors(), Meta()};
    GroupSpec alerts = Alerts();
    if (!alerts.rules.empty()) groups.push_back(std::move(alerts));
    return groups;
  }

 private:
  GroupSpec Group(const char* kind) const {
    GroupSpec group;
    group.file = "slos";
    group.name = fmt::format("sloth-slo-{}-{}", kind, slo_.Id());
    return group;
  }
  Texts IdLabels() const {
    Texts labels = slo_.labels;
    labels["sloth_id"] = slo_.Id();
    labels["sloth_service"] = slo_.service;
    labels["sloth_slo"] = slo_.name;
    return labels;
  }
  RuleSpec Make(RuleSpec::Kind kind, std::string name, std::string expr, Texts labels) const {
    auto tree = promql::Parse(expr, parser_);
    FETTLE_CHECK(tree.has_value());  // its parts were read without complaints
    RuleSpec rule{.kind = kind, .name = std::move(name), .expr = std::move(expr)};
    rule.tree = *std::move(tree);
    rule.labels = std::move(labels);
    return rule;
  }
  void Record(GroupSpec& group, std::string name, std::string expr, Texts more = {}) const {
    Texts labels = IdLabels();
    labels.merge(more);
    group.rules.push_back(
        Make(RuleSpec::Kind::kRecording, std::move(name), std::move(expr), std::move(labels)));
  }

  GroupSpec Errors() const {
    GroupSpec group = Group("sli-recordings");
    for (const char* window : kWindows) {
      Record(group, fmt::format("slo:sli_error:ratio_rate{}", window), ErrorRatio(slo_, window),
             {{"sloth_window", window}});
    }
    // Of the whole window the mean of what was recorded: a rate over weeks would cost too much.
    const std::string whole = WindowName(slo_.window);
    const std::string recorded =
        fmt::format("slo:sli_error:ratio_rate{}{}[{}]", kShortest, selector_, whole);
    Record(group, "slo:sli_error:ratio_rate" + whole,
           fmt::format("sum_over_time({})\n/ ignoring (sloth_window)\ncount_over_time({})",
                       recorded, recorded),
           {{"sloth_window", whole}});
    return group;
  }

  GroupSpec Meta() const {
    GroupSpec group = Group("meta-recordings");
    const std::string objective = FormatFloat(slo_.objective / 100);
    const std::string whole = WindowName(slo_.window);
    const auto against_budget = [this](const std::string& window) {
      return fmt::format(
          "slo:sli_error:ratio_rate{}{}\n/ on(sloth_id, sloth_slo, sloth_service) group_left\n"
          "slo:error_budget:ratio{}",
          window, selector_, selector_);
    };
    Record(group, "slo:objective:ratio", fmt::format("vector({})", objective));
    Record(group, "slo:error_budget:ratio", fmt::format("vector(1-{})", objective));
    Record(group, "slo:time_period:days",
           fmt::format("vector({})", FormatFloat(ToSeconds(slo_.window) / ToSeconds(kDay))));
    Record(group, "slo:current_burn_rate:ratio", against_budget(kShortest));
    Record(group, "slo:period_burn_rate:ratio", against_budget(whole));
    Record(group, "slo:period_error_budget_remaining:ratio",
           fmt::format("1 - slo:period_burn_rate:ratio{}", selector_));
    Record(group, "sloth_slo_info", "vector(1)",
           {{"sloth_mode", "fettle"},
            {"sloth_objective", FormatFloat(slo_.objective)},
            {"sloth_spec", "prometheus/v1"},
            {"sloth_version", "fettle"}});
    return group;
  }

  std::string Burning(const BurnRate& rate) const {
    const double factor =
        rate.budget_percent / 100 * (ToSeconds(slo_.window) / ToSeconds(rate.long_span));
    const double budget = (100 - slo_.objective) / 100;
    const auto one = [&](const char* window) {
      return fmt::format("max(slo:sli_error:ratio_rate{}{} > ({} * {})) without (sloth_window)",
                         window, selector_, FormatFloat(factor), FormatFloat(budget));
    };
    return fmt::format("(\n  {}\n  and\n  {}\n)", one(rate.short_window), one(rate.long_window));
  }

  GroupSpec Alerts() const {
    GroupSpec group = Group("alerts");
    AddAlert(group, "page", "page", slo_.page);
    AddAlert(group, "ticket", "warning", slo_.ticket);
    return group;
  }

  void AddAlert(GroupSpec& group, const std::string& sloth_severity, const char* severity,
                const SloSpec::Alerting& alerting) const {
    if (alerting.disable) return;
    std::string expr;
    for (const BurnRate& rate : kBurnRates) {
      if (sloth_severity != rate.severity) continue;
      if (!expr.empty()) expr += "\nor\n";
      expr += Burning(rate);
    }
    Texts labels = alerting.labels;
    Texts common = slo_.alert_labels;
    labels.merge(common);
    labels.emplace("severity", severity);
    labels["sloth_severity"] = sloth_severity;
    RuleSpec rule = Make(RuleSpec::Kind::kAlerting, slo_.alert_name, expr, std::move(labels));
    rule.annotations = alerting.annotations;
    Texts said = slo_.alert_annotations;
    rule.annotations.merge(said);
    rule.annotations.emplace(
        "summary",
        "{{$labels.sloth_service}} {{$labels.sloth_slo}} SLO error budget burn rate is over "
        "expected.");
    rule.annotations.emplace("title",
                             fmt::format("({}) {{{{$labels.sloth_service}}}} "
                                         "{{{{$labels.sloth_slo}}}} SLO error budget burn rate is "
                                         "too fast.",
                                         sloth_severity));
    group.rules.push_back(std::move(rule));
  }

  const SloSpec& slo_;
  const promql::ParserOptions& parser_;
  const std::string selector_;
};

class SloReader {
 public:
  SloReader(const Node& node, const promql::ParserOptions& parser, yaml::Complaints& complaints)
      : m_(node, "rules.slos", complaints), parser_(parser) {}

  SloSpec Read() {
    slo_.name = m_.Require<std::string>("name");
    slo_.service = m_.Get<std::string>("service", slo_.name);
    slo_.objective = m_.Require<double>("objective");
    if (m_.Has("objective") && !(slo_.objective > 0 && slo_.objective < 100)) {
      m_.Complain(m_.Child("objective")->place, "objective must be between 0 and 100, in percent");
    }
    slo_.window = m_.Get<Millis>("window", 30 * kDay);
    if (slo_.window < 3 * kDay) {
      m_.Complain(m_.Child("window")->place, "window must be at least 3d");
    }
    ReadIndicators();
    slo_.labels = ReadLabels(m_, "labels");
    ReadAlerting();
    return std::move(slo_);
  }

 private:
  std::string ReadExpression(const char* key) {
    std::string text = m_.Get<std::string>(key, "");
    if (text.empty()) return text;
    const auto tree = promql::Parse(WithWindow(text, kShortest), parser_);
    if (!tree) {
      m_.Complain(m_.Child(key)->place,
                  fmt::format("{}: could not parse expression: {}", key, tree.error().message));
    } else if (WithWindow(text, kShortest) == text) {
      m_.Complain(m_.Child(key)->place, fmt::format("{} has no $window in it", key));
    }
    return text;
  }

  void ReadIndicators() {
    slo_.bad = ReadExpression("bad");
    slo_.total = ReadExpression("total");
    slo_.error_ratio = ReadExpression("error_ratio");
    const bool both = !slo_.bad.empty() && !slo_.total.empty();
    const bool any = !slo_.bad.empty() || !slo_.total.empty();
    if (slo_.error_ratio.empty() ? !both : any) {
      m_.Complain(m_.place(), "either bad and total or error_ratio is needed");
      return;
    }
    const auto tree = promql::Parse(ErrorRatio(slo_, kShortest), parser_);
    if (tree && (*tree)->type == promql::ValueType::kVector) return;
    m_.Complain(m_.place(), "what is bad, divided by the total, is no instant vector");
  }

  Texts ReadLabels(Mapping& m, const char* key) {
    Texts labels = m.StringMap(key);
    for (const auto& [name, value] : labels) {
      if (!IsLabelName(name)) {
        m.Complain(m.Child(key)->place, fmt::format("{} is not a label name", Quote(name)));
      }
    }
    return labels;
  }

  // Templates; what is none is complained about.
  Texts ReadTexts(Mapping& m, const char* key) {
    const gotemplate::Functions functions = AlertFunctions("");
    m.ForEachEntry(key, [&](const Node& name, const Node& value) {
      const auto text = AlertText::Parse(slo_.alert_name, value.text, functions);
      if (text) return;
      m.Complain(value.place, fmt::format("{}: {}", name.text, text.error().message));
    });
    return m.StringMap(key);
  }

  void ReadAlerting() {
    slo_.alert_name = CamelCase(slo_.Id()) + "HighErrorRate";
    const Node* node = m_.Child("alerting");
    if (node == nullptr) return;
    Mapping alerting(*node, "rules.slos.alerting", m_.complaints());
    slo_.alert_name = alerting.Get<std::string>("name", slo_.alert_name);
    slo_.alert_labels = ReadLabels(alerting, "labels");
    ReadTexts(alerting, "labels");
    slo_.alert_annotations = ReadTexts(alerting, "annotations");
    for (auto [key, into] : {std::pair{"page_alert", &slo_.page}, {"ticket_alert", &slo_.ticket}}) {
      const Node* one = alerting.Child(key);
      if (one == nullptr) continue;
      Mapping m(*one, std::string("rules.slos.alerting.") + key, m_.complaints());
      into->disable = m.Get("disable", false);
      into->labels = ReadLabels(m, "labels");
      ReadTexts(m, "labels");
      into->annotations = ReadTexts(m, "annotations");
    }
  }

  Mapping m_;
  const promql::ParserOptions& parser_;
  SloSpec slo_;
};

}  // namespace

std::vector<SloSpec> ReadSlos(Mapping& rules, const promql::ParserOptions& parser) {
  std::vector<SloSpec> slos;
  std::set<std::string> ids;
  rules.ForEach("slos", [&](const Node& node) {
    const std::size_t before = rules.complaints().size();
    SloSpec slo = SloReader(node, parser, rules.complaints()).Read();
    if (rules.complaints().size() != before) return;
    if (!ids.insert(slo.Id()).second) {
      rules.Complain(node.place, fmt::format("slos has two of the id {}", yaml::Shown(slo.Id())));
      return;
    }
    slos.push_back(std::move(slo));
  });
  return slos;
}

std::vector<GroupSpec> SloGroups(const SloSpec& slo, const promql::ParserOptions& parser) {
  return Builder(slo, parser).Build();
}

}  // namespace fettle::rules
