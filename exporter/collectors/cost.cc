#include "exporter/collectors/cost.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/json.h"
#include "exporter/collectors/configured.h"
#include "exporter/collectors/s3_prices.h"

namespace fettle::exporter {
namespace {

constexpr double kBytesPerGb = 1024.0 * 1024.0 * 1024.0;
constexpr const char* kRecordId = "s3";

std::chrono::year_month MonthOf(Time at) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(at));
  return day.year() / day.month();
}

Time Begin(std::chrono::year_month month) { return Time(std::chrono::sys_days(month / 1)); }
Time End(std::chrono::year_month month) { return Begin(month + std::chrono::months(1)); }

// A month's share of the price.
double Share(Time from, Time to, std::chrono::year_month month) {
  return ToSeconds(to - from) / ToSeconds(End(month) - Begin(month));
}

void Unsupported(yaml::Mapping& mapping, std::string_view key) {
  if (const yaml::Node* node = mapping.Child(key)) {
    mapping.Complain(node->place, fmt::format("{} is not supported by this version", key));
  }
}

}  // namespace

std::optional<CostConfig> ReadCostConfig(yaml::Mapping& exporter) {
  const yaml::Node* node = exporter.Child("cost");
  if (node == nullptr) return std::nullopt;
  yaml::Mapping mapping(*node, "exporter.cost", exporter.complaints());
  CostConfig config;
  config.interval = ReadInterval(mapping, config.interval);
  Unsupported(mapping, "explorer");
  config.budgets = ReadBudgets(mapping);
  const yaml::Node* prices = mapping.Child("s3_prices");
  config.model = prices != nullptr;
  if (!config.model) {
    if (config.budgets.empty()) {
      mapping.Complain(mapping.place(), "\"s3_prices\" or \"budgets\" is needed");
    }
    return config;
  }
  yaml::Mapping inner(*prices, "exporter.cost.s3_prices", exporter.complaints());
  config.region = inner.Get<std::string>("region", "");
  inner.ForEachEntry("usd_per_gb_month", [&](const yaml::Node& name, const yaml::Node& price) {
    const Result<double> usd = yaml::Decode<double>(price);
    if (!usd || !(*usd >= 0) || std::isinf(*usd)) {
      inner.Complain(price.place, fmt::format("{} must be a number of dollars, 0 or more, not {}",
                                              name.text, yaml::Shown(price.text)));
      return;
    }
    config.usd_per_gb_month[name.text] = *usd;
  });
  const std::vector<std::string> regions = S3PricedRegions();
  const bool priced = std::find(regions.begin(), regions.end(), config.region) != regions.end();
  if (!priced && !inner.Has("usd_per_gb_month")) {
    inner.Complain(
        PlaceOf(inner, "region"),
        fmt::format("there is no price table for region {}{} (or write usd_per_gb_month)",
                    yaml::Shown(config.region), yaml::Suggestion(config.region, regions)));
  }
  return config;
}

Result<std::vector<MetricFamily>> CostCollector::Collect(const CollectContext& context) {
  if (Status loaded = Load(); !loaded) return While("reading what was spent", loaded.error());
  const Rate rate = RateNow(context.now.wall);
  if (rate.known) {
    Advance(context.now.wall, rate.usd_per_month);
    Save(context.now);
  }
  std::vector<MetricFamily> all;
  const auto show = [&all](std::string name, std::string help, Labels labels, double value) {
    all.push_back(
        {std::move(name), std::move(help), MetricType::kGauge, {{"", std::move(labels), value}}});
  };
  const Labels labels{{"source", "model"}, {"service", "s3"}};
  if (month_ && month_->month == MonthOf(context.now.wall)) {
    show("fettle_cost_month_to_date_usd", "What the month has cost so far.", labels, month_->usd);
    show("fettle_cost_data_through_timestamp_seconds", "The moment up to which costs are counted.",
         labels, ToSeconds(month_->through));
    if (rate.known) {
      const double rest = Share(month_->through, End(month_->month), month_->month);
      show("fettle_cost_forecast_month_usd",
           "What the whole month will have cost if it goes on as now.",
           {{"source", "model"}, {"service", "s3"}, {"bound", "mean"}},
           month_->usd + rate.usd_per_month * rest);
    }
  }
  MetricFamily unpriced{"fettle_cost_unpriced_bytes",
                        "Bytes that the model has no price for and leaves out.",
                        MetricType::kGauge,
                        {}};
  for (const auto& [storage_class, bytes] : rate.unpriced) {
    unpriced.points.push_back(
        {"", {{"service", "s3"}, {"storage_class", storage_class}}, static_cast<double>(bytes)});
  }
  if (!unpriced.points.empty()) all.push_back(std::move(unpriced));
  return all;
}

CostCollector::Rate CostCollector::RateNow(Time now) const {
  Rate rate;
  for (const auto& usage_of : deps_.usage) {
    const std::optional<S3Usage> usage = usage_of();
    if (!usage) continue;
    rate.known = true;
    for (const auto& [storage_class, bytes] : usage->bytes_by_class) {
      const auto own = config_.usd_per_gb_month.find(storage_class);
      const std::optional<double> price =
          own != config_.usd_per_gb_month.end()
              ? std::optional(own->second)
              : S3PricePerGbMonth(config_.region, storage_class, now);
      if (price) {
        rate.usd_per_month += static_cast<double>(bytes) / kBytesPerGb * *price;
      } else if (bytes > 0) {
        rate.unpriced[storage_class] += bytes;
      }
    }
  }
  return rate;
}

void CostCollector::Advance(Time now, double usd_per_month) {
  const std::chrono::year_month month = MonthOf(now);
  // A new month begins at its first moment, also if nobody looked then. A clock that was put back
  // into the month before counts nothing until it has caught up.
  if (!month_ || month_->month < month) month_ = Month{month, 0, Begin(month)};
  if (now <= month_->through || month_->month != month) return;
  month_->usd += usd_per_month * Share(month_->through, now, month);
  month_->through = now;
}

Status CostCollector::Load() {
  if (loaded_) return {};
  const Result<std::vector<Record>> records =
      deps_.store.Read({.kind = kRecordKind, .id = kRecordId});
  if (!records) return tl::unexpected(records.error());
  loaded_ = true;
  if (records->empty()) return {};
  const Result<Json> body = Json::Parse(records->front().body);
  const Time through = TimeFromMillis(body ? (*body)["through_ms"].IntegerOr(0) : 0);
  const double usd = body ? (*body)["usd"].NumberOr(-1) : -1;
  if (usd < 0 || through == Time{}) {
    deps_.log.Warn("the costs that were kept cannot be read; the month is counted anew");
    return {};
  }
  month_ = Month{MonthOf(through), usd, through};
  return {};
}

void CostCollector::Save(const Moment& now) {
  if (saved_at_ && now.boot - *saved_at_ < kSaveEvery) return;
  saved_at_ = now.boot;
  JsonWriter json;
  json.BeginObject()
      .Field("through_ms", ToMillis(month_->through))
      .Field("usd", month_->usd)
      .EndObject();
  Batch batch;
  batch.writes.push_back({Record{.kind = kRecordKind, .id = kRecordId, .body = json.Take()}});
  deps_.store.Commit(std::move(batch), [log = deps_.log](const Status& kept) {
    if (!kept) log.Warn("the month's costs could not be kept", {{"err", kept.error().message}});
  });
}

}  // namespace fettle::exporter
