#include "exporter/collectors/budget.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace fettle::exporter {
namespace {

constexpr Millis kAskTimeout{5'000};
// What tells one cost from another; docs/metrics.md.
constexpr std::array<std::string_view, 7> kIncluded = {
    "source", "service", "kind", "project", "provider", "pipeline", "environment"};

// metric{source="events",kind="gpu"}
std::string Selector(std::string_view metric, const Labels& labels) {
  std::string text(metric);
  text += '{';
  for (const auto& [name, value] : labels) {
    if (text.back() != '{') text += ',';
    text += fmt::format("{}={}", name, Quote(value));
  }
  return text + '}';
}

class Families {
 public:
  void Add(const char* name, const char* help, const std::string& budget, double value) {
    const auto found =
        std::find_if(families_.begin(), families_.end(),
                     [&](const MetricFamily& family) { return family.name == name; });
    MetricFamily& family =
        found != families_.end()
            ? *found
            : families_.emplace_back(MetricFamily{name, help, MetricType::kGauge, {}});
    family.points.push_back({"", {{"budget", budget}}, value});
  }
  std::vector<MetricFamily> Take() { return std::move(families_); }

 private:
  std::vector<MetricFamily> families_;
};

}  // namespace

std::vector<BudgetConfig> ReadBudgets(yaml::Mapping& cost) {
  std::vector<BudgetConfig> budgets;
  cost.ForEach("budgets", [&](const yaml::Node& item) {
    yaml::Mapping mapping(item, "exporter.cost.budgets", cost.complaints());
    BudgetConfig budget;
    budget.name = mapping.Require<std::string>("name");
    budget.limit_usd = mapping.Require<double>("limit_usd");
    if (mapping.Has("limit_usd") && !(budget.limit_usd > 0 && std::isfinite(budget.limit_usd))) {
      mapping.Complain(mapping.Child("limit_usd")->place, "limit_usd must be above 0");
    }
    std::vector<std::string> known(kIncluded.begin(), kIncluded.end());
    mapping.ForEachEntry("include", [&](const yaml::Node& name, const yaml::Node& value) {
      if (std::find(known.begin(), known.end(), name.text) == known.end()) {
        mapping.Complain(name.place, fmt::format("no cost has a label {}{}", yaml::Shown(name.text),
                                                 yaml::Suggestion(name.text, known)));
      }
      budget.include.Set(name.text, value.text);
    });
    if (budget.include.empty()) {
      mapping.Complain(mapping.place(), "\"include\" is missing: which costs count");
    }
    const bool twice = std::any_of(budgets.begin(), budgets.end(), [&](const BudgetConfig& other) {
      return other.name == budget.name;
    });
    if (twice) {
      mapping.Complain(mapping.place(),
                       fmt::format("there are two budgets named {}", yaml::Shown(budget.name)));
    }
    budgets.push_back(std::move(budget));
  });
  return budgets;
}

Result<std::vector<MetricFamily>> BudgetCollector::Collect(const CollectContext& context) {
  Families families;
  const auto ask = [&](const std::string& expression) -> Result<std::optional<double>> {
    const auto answer = judge_.Ask(expression, context.now.wall, kAskTimeout);
    if (!answer) return tl::unexpected(answer.error());
    if (answer->empty() || !std::isfinite(answer->front().value)) return std::optional<double>();
    return answer->front().value;
  };
  for (const BudgetConfig& budget : budgets_) {
    const bool of_events = budget.include.Get("source") == "events";
    families.Add("fettle_budget_limit_usd", "What may be spent in a month.", budget.name,
                 budget.limit_usd);
    auto spent = ask("sum(" + Selector("fettle_cost_month_to_date_usd", budget.include) + ")");
    if (!spent) return While("asking what was spent", spent.error());
    if (!*spent && of_events) *spent = 0;
    if (*spent) {
      families.Add("fettle_budget_spent_usd", "Spent this month (UTC).", budget.name, **spent);
      families.Add("fettle_budget_used_ratio", "Spent of the limit.", budget.name,
                   **spent / budget.limit_usd);
    }
    Labels forecast = budget.include;
    forecast.Set("bound", "mean");
    const auto expected = ask("sum(" + Selector("fettle_cost_forecast_month_usd", forecast) + ")");
    if (!expected) return While("asking what will be spent", expected.error());
    if (*expected) {
      families.Add("fettle_budget_forecast_ratio", "What the month will have cost, of the limit.",
                   budget.name, **expected / budget.limit_usd);
    }
    std::optional<double> through = ToSeconds(context.now.wall);
    if (!of_events) {
      const auto said = ask(
          "min(" + Selector("fettle_cost_data_through_timestamp_seconds", budget.include) + ")");
      if (!said) return While("asking how far costs are known", said.error());
      through = *said;
    }
    if (through) {
      families.Add("fettle_budget_data_through_timestamp_seconds",
                   "Up to here the spent is complete.", budget.name, *through);
    }
  }
  return families.Take();
}

}  // namespace fettle::exporter
