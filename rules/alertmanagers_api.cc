#include "rules/alertmanagers_api.h"

#include "common/json.h"
#include "rules/api_answer.h"

namespace fettle::rules {
namespace {

void Write(JsonWriter& json, std::string_view key, const std::vector<std::string>& urls) {
  json.Key(key).BeginArray();
  for (const std::string& url : urls) json.BeginObject().Field("url", url).EndObject();
  json.EndArray();
}

}  // namespace

HttpResponse ServeAlertmanagers(const Notifier& notifier) {
  const Notifier::Seen seen = notifier.View();
  JsonWriter json;
  json.BeginObject();
  Write(json, "activeAlertmanagers", seen.active);
  Write(json, "droppedAlertmanagers", seen.dropped);
  json.EndObject();
  return ApiSuccess({.data = json.Take()});
}

}  // namespace fettle::rules
