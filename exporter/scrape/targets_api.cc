#include "exporter/scrape/targets_api.h"

#include <string>

#include "common/duration.h"
#include "common/json.h"

namespace fettle::exporter {
namespace {

std::string_view NameOf(TargetView::Health health) {
  switch (health) {
    case TargetView::Health::kUp:
      return "up";
    case TargetView::Health::kDown:
      return "down";
    case TargetView::Health::kUnknown:
      break;
  }
  return "unknown";
}

void Write(JsonWriter& json, std::string_view key, const Labels& labels) {
  json.Key(key).BeginObject();
  for (const auto& [name, value] : labels) json.Field(name, value);
  json.EndObject();
}

void Write(JsonWriter& json, const TargetView& view) {
  json.BeginObject();
  Write(json, "discoveredLabels", view.target.discovered);
  Write(json, "labels", view.target.labels);
  json.Field("scrapePool", view.pool)
      .Field("scrapeUrl", view.target.url)
      .Field("globalUrl", view.target.url)
      .Field("lastError", view.last_error)
      .Field("lastScrape", FormatRfc3339(view.last_scrape))
      .Field("lastScrapeDuration", view.last_seconds)
      .Field("health", NameOf(view.health))
      .Field("scrapeInterval", FormatDuration(view.target.interval))
      .Field("scrapeTimeout", FormatDuration(view.target.timeout))
      .EndObject();
}

HttpResponse Success(JsonWriter data) {
  return JsonResponse(200, R"({"status":"success","data":)" + data.Take() + "}");
}

}  // namespace

HttpResponse TargetsApi::Targets(const HttpRequest& request) const {
  const std::string state = request.Query("state").value_or("any");
  const std::string pool = request.Query("scrapePool").value_or("");
  const bool active = state != "dropped";
  const bool dropped = state != "active";
  JsonWriter json;
  json.BeginObject().Key("activeTargets").BeginArray();
  if (scraper_ != nullptr && active) {
    for (const TargetView& view : scraper_->Targets()) {
      if (pool.empty() || view.pool == pool) Write(json, view);
    }
  }
  json.EndArray().Key("droppedTargets").BeginArray();
  const auto all =
      scraper_ != nullptr ? scraper_->DroppedTargets() : std::map<std::string, Scraper::Dropped>{};
  for (const auto& [name, of_pool] : all) {
    if (!dropped || (!pool.empty() && name != pool)) continue;
    for (const Labels& labels : of_pool.kept) {
      json.BeginObject();
      Write(json, "discoveredLabels", labels);
      json.Field("scrapePool", name).EndObject();
    }
  }
  json.EndArray().Key("droppedTargetCounts").BeginObject();
  for (const auto& [name, of_pool] : all) json.Field(name, of_pool.count);
  json.EndObject().EndObject();
  return Success(std::move(json));
}

HttpResponse TargetsApi::ScrapePools(const HttpRequest&) const {
  JsonWriter json;
  json.BeginObject().Key("scrapePools").BeginArray();
  if (scraper_ != nullptr) {
    for (const std::string& name : scraper_->Pools()) json.String(name);
  }
  json.EndArray().EndObject();
  return Success(std::move(json));
}

void TargetsApi::AddRoutes(Router& router) const {
  router.Add("GET", "/api/v1/targets", Role::kRead,
             [this](const HttpRequest& request) { return Targets(request); });
  router.Add("GET", "/api/v1/scrape_pools", Role::kRead,
             [this](const HttpRequest& request) { return ScrapePools(request); });
}

}  // namespace fettle::exporter
