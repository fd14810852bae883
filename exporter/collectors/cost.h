// What S3 storage costs this month, by a model: bytes of the last inventories times dated prices,
// summed over the month.
//
//   fettle_cost_month_to_date_usd{source="model",service="s3"}
//   fettle_cost_forecast_month_usd{source="model",service="s3",bound="mean"}  if nothing changes
//   fettle_cost_data_through_timestamp_seconds{source="model",service="s3"}
//   fettle_cost_unpriced_bytes{service="s3",storage_class}    bytes the model has no price for
// The sum is kept in the store, so a restart goes on where it was. For the part of the month before
// the first inventory (and for gaps) the bytes now are taken to have been there. Months are UTC's,
// as AWS bills. Requests and transfer are not in the model.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/collector.h"
#include "common/log.h"
#include "common/store.h"
#include "common/yaml.h"
#include "exporter/collectors/budget.h"
#include "exporter/collectors/s3.h"

namespace fettle::exporter {

struct CostConfig {
  bool model = true;  // there is `s3_prices`
  std::vector<BudgetConfig> budgets;
  std::string region;                              // of the shipped price table; "" for none
  std::map<std::string, double> usd_per_gb_month;  // by storage class; before the table
  Millis interval{60'000};
};
// `exporter.cost`, its budgets included; nullopt if there is none.
std::optional<CostConfig> ReadCostConfig(yaml::Mapping& exporter);

class CostCollector final : public Collector {
 public:
  static constexpr Millis kSaveEvery{10 * 60'000};
  static constexpr const char* kRecordKind = "cost_model";

  struct Deps {
    Store& store;
    Log log;
    // The latest inventory of each bucket; a collector's Usage(). Any thread.
    std::vector<std::function<std::optional<S3Usage>()>> usage;
  };
  CostCollector(Deps deps, CostConfig config)
      : deps_(std::move(deps)), config_(std::move(config)) {}

  std::string_view Name() const override { return "cost"; }
  std::string_view Target() const override { return ""; }
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;

 private:
  // What was summed up, and until when.
  struct Month {
    std::chrono::year_month month{};
    double usd = 0;
    Time through;
  };
  struct Rate {
    double usd_per_month = 0;
    std::map<std::string, std::int64_t> unpriced;  // bytes by class
    bool known = false;                            // at least one inventory is there
  };
  Status Load();
  void Save(const Moment& now);
  void Advance(Time now, double usd_per_month);
  Rate RateNow(Time now) const;

  const Deps deps_;
  const CostConfig config_;
  bool loaded_ = false;
  std::optional<Month> month_;
  std::optional<BootTime> saved_at_;
};

}  // namespace fettle::exporter
