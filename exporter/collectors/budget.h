// Budgets of money: how much may be spent in a month, and how much is. What is spent is asked of
// the rules, which have the samples of every source of costs.
//
//   fettle_budget_limit_usd{budget}
//   fettle_budget_spent_usd{budget}       this month; absent while a source is unknown
//   fettle_budget_used_ratio{budget}
//   fettle_budget_forecast_ratio{budget}  of the forecasts, if every source has one
//   fettle_budget_data_through_timestamp_seconds{budget}  up to here the spent is complete
// Events are complete at once, and where none has come nothing was spent.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/collector.h"
#include "common/judge.h"
#include "common/labels.h"
#include "common/yaml.h"

namespace fettle::exporter {

struct BudgetConfig {
  std::string name;
  double limit_usd = 0;
  Labels include;  // of fettle_cost_month_to_date_usd: source, service, kind, …
};
// `exporter.cost.budgets`.
std::vector<BudgetConfig> ReadBudgets(yaml::Mapping& cost);

class BudgetCollector final : public Collector {
 public:
  BudgetCollector(const Judge& judge, std::vector<BudgetConfig> budgets)
      : judge_(judge), budgets_(std::move(budgets)) {}

  std::string_view Name() const override { return "budget"; }
  std::string_view Target() const override { return ""; }
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;

 private:
  const Judge& judge_;
  const std::vector<BudgetConfig> budgets_;
};

}  // namespace fettle::exporter
