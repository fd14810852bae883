#include "rules/api_answer.h"

#include <fmt/format.h>

#include "common/json.h"

namespace fettle::rules {
namespace {

void AppendTexts(std::string_view key, const std::vector<std::string>& texts, std::string& out) {
  if (texts.empty()) return;
  JsonWriter json;
  json.BeginArray();
  for (const std::string& text : texts) json.String(text);
  json.EndArray();
  out += fmt::format(",\"{}\":{}", key, json.Take());
}

HttpResponse Refusal(int status, const char* type, const std::string& message) {
  JsonWriter json;
  json.BeginObject().Field("status", "error").Field("errorType", type);
  json.Field("error", message).EndObject();
  return JsonResponse(status, json.Take());
}

}  // namespace

HttpResponse ApiSuccess(ApiBody body) {
  std::string out = std::move(body.data);
  if (!body.begun) out.insert(0, kApiSuccess);
  AppendTexts("warnings", body.warnings, out);
  AppendTexts("infos", body.infos, out);
  out += '}';
  return JsonResponse(200, std::move(out));
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
