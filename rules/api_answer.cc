#include "rules/api_answer.h"

#include "common/json.h"

namespace fettle::rules {
namespace {

void WriteTexts(std::string_view key, const std::vector<std::string>& texts, JsonWriter& json) {
  if (texts.empty()) return;
  json.Key(key).BeginArray();
  for (const std::string& text : texts) json.String(text);
  json.EndArray();
}

HttpResponse Refusal(int status, const char* type, const std::string& message) {
  JsonWriter json;
  json.BeginObject().Field("status", "error").Field("errorType", type);
  json.Field("error", message).EndObject();
  return JsonResponse(status, json.Take());
}

}  // namespace

HttpResponse ApiSuccess(const ApiBody& body) {
  JsonWriter json;
  json.BeginObject().Field("status", "success").Key("data").Raw(body.data);
  WriteTexts("warnings", body.warnings, json);
  WriteTexts("infos", body.infos, json);
  json.EndObject();
  return JsonResponse(200, json.Take());
}

HttpResponse ApiFailure(const Error& error) {
  switch (error.cause) {
    case Cause::kInvalid:
      return Refusal(400, "bad_data", error.message);
    case Cause::kTimeout:
      return Refusal(503, "timeout", error.message);
    case Cause::kUnavailable:
      return Refusal(503, "unavailable", error.message);
    case Cause::kNotFound:
      return Refusal(404, "not_found", error.message);
    default:
      return Refusal(422, "execution", error.message);
  }
}

HttpResponse ApiCanceled(const std::string& message) { return Refusal(499, "canceled", message); }

}  // namespace fettle::rules
