#include "rules/status_api.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "common/duration.h"
#include "common/json.h"
#include "rules/api_answer.h"
#include "rules/query_params.h"

namespace fettle::rules {
namespace {

// More of each is not told, whatever is asked for.
constexpr std::int64_t kTopMax = 10'000;

void WriteTop(std::string_view key, const Census::Top& top, JsonWriter& json) {
  json.Key(key).BeginArray();
  for (const auto& [name, count] : top) {
    json.BeginObject().Field("name", name).Field("value", count).EndObject();
  }
  json.EndArray();
}

std::int64_t CountThreads() {
  std::error_code failed;
  std::int64_t threads = 0;
  for (auto at = std::filesystem::directory_iterator("/proc/self/task", failed);
       !failed && at != std::filesystem::directory_iterator(); at.increment(failed)) {
    ++threads;
  }
  return threads;
}

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  return gethostname(name, HOST_NAME_MAX) == 0 ? name : "";
}

}  // namespace

HttpResponse StatusApi::BuildInfo(const HttpRequest&) const {
  JsonWriter json;
  json.BeginObject().Field("version", options_.version).Field("revision", options_.revision);
  json.Field("branch", "").Field("buildUser", "").Field("buildDate", "").Field("goVersion", "");
  json.EndObject();
  return ApiSuccess({json.Take()});
}

HttpResponse StatusApi::RuntimeInfo(const HttpRequest&) const {
  const Loaded loaded = deps_.loaded ? deps_.loaded() : Loaded{true, options_.started};
  std::error_code failed;
  const std::string directory = std::filesystem::current_path(failed).string();
  JsonWriter json;
  json.BeginObject()
      .Field("startTime", FormatRfc3339(options_.started))
      .Field("CWD", directory)
      .Field("hostname", HostName())
      .Field("serverTime", FormatRfc3339(deps_.clock.Now().wall))
      .Field("reloadConfigSuccess", loaded.successful)
      .Field("lastConfigTime", FormatRfc3339(loaded.at))
      .Field("corruptionCount", 0)
      .Field("goroutineCount", CountThreads())
      .Field("GOMAXPROCS", static_cast<std::int64_t>(std::thread::hardware_concurrency()))
      .Field("GOMEMLIMIT", std::numeric_limits<std::int64_t>::max())
      .Field("GOGC", "")
      .Field("GODEBUG", "")
      .Field("storageRetention", options_.retention)
      .EndObject();
  return ApiSuccess({json.Take()});
}

HttpResponse StatusApi::Tsdb(const HttpRequest& request) const {
  const Result<std::optional<std::int64_t>> asked = QueryParams(request).GetInteger("limit");
  const std::int64_t limit = asked ? asked->value_or(10) : 0;
  if (limit < 1) return ApiFailure({"limit must be a positive number", Cause::kInvalid});
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  const Census census =
      deps_.samples.TakeCensus(static_cast<std::size_t>(std::min(limit, kTopMax)));
  const auto oldest = deps_.samples.oldest();
  const auto newest = deps_.samples.newest();
  JsonWriter json;
  json.BeginObject().Key("headStats").BeginObject();
  json.Field("numSeries", static_cast<std::int64_t>(census.series));
  json.Field("numLabelPairs", static_cast<std::int64_t>(census.pairs));
  json.Field("chunkCount", static_cast<std::int64_t>(census.chunks));
  // As upstream says of an empty head.
  json.Field("minTime", oldest ? ToMillis(*oldest) : kMax);
  json.Field("maxTime", newest ? ToMillis(*newest) : kMin).EndObject();
  WriteTop("seriesCountByMetricName", census.series_by_metric, json);
  WriteTop("labelValueCountByLabelName", census.values_by_name, json);
  WriteTop("memoryInBytesByLabelName", census.bytes_by_name, json);
  WriteTop("seriesCountByLabelValuePair", census.series_by_pair, json);
  json.EndObject();
  return ApiSuccess({json.Take()});
}

HttpResponse StatusApi::Config(const HttpRequest&) const {
  JsonWriter json;
  json.BeginObject().Field("yaml", deps_.config ? deps_.config() : "").EndObject();
  return ApiSuccess({json.Take()});
}

HttpResponse StatusApi::Flags(const HttpRequest&) const {
  JsonWriter json;
  json.BeginObject();
  for (const auto& [flag, value] : options_.flags) json.Field(flag, value);
  json.EndObject();
  return ApiSuccess({json.Take()});
}

HttpResponse StatusApi::WalReplay(const HttpRequest&) const {
  return ApiSuccess({R"({"min":0,"max":0,"current":0})"});
}

void StatusApi::AddRoutes(Router& router) const {
  using Handler = HttpResponse (StatusApi::*)(const HttpRequest&) const;
  const auto to = [this](Handler handler) -> HttpHandler {
    return [this, handler](const HttpRequest& request) { return (this->*handler)(request); };
  };
  router.Add("GET", "/api/v1/status/buildinfo", Role::kRead, to(&StatusApi::BuildInfo));
  router.Add("GET", "/api/v1/status/runtimeinfo", Role::kRead, to(&StatusApi::RuntimeInfo));
  router.Add("GET", "/api/v1/status/tsdb", Role::kRead, to(&StatusApi::Tsdb));
  router.Add("GET", "/api/v1/status/config", Role::kRead, to(&StatusApi::Config));
  router.Add("GET", "/api/v1/status/flags", Role::kRead, to(&StatusApi::Flags));
  router.Add("GET", "/api/v1/status/walreplay", Role::kRead, to(&StatusApi::WalReplay));
}

}  // namespace fettle::rules
