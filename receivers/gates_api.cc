#include "receivers/gates_api.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <memory>
#include <utility>

#include "common/duration.h"
#include "common/json.h"
#include "common/yaml.h"

namespace fettle::receivers {
namespace {

constexpr std::string_view kPath = "/api/fettle/v1/gates/";
constexpr std::size_t kBodyBytesMax = 64 * 1024;
constexpr std::size_t kTextBytesMax = 1024;

HttpResponse ErrorResponse(int status, std::string_view text) {
  JsonWriter json;
  json.BeginObject().Field("error", text).EndObject();
  return JsonResponse(status, json.Take() + "\n");
}

HttpResponse Refusal(const Error& error) {
  switch (error.cause) {
    case Cause::kNotFound:
      return ErrorResponse(404, error.message);
    case Cause::kConflict:
      return ErrorResponse(409, error.message);
    default:
      return ErrorResponse(503, error.message);
  }
}

Status CheckKeys(const Json& json, const std::vector<std::string>& known) {
  if (!json.IsObject()) return Fail(Cause::kInvalid, "the body is no JSON object");
  for (const auto& [key, value] : json.Entries()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return Fail(Cause::kInvalid, "{} is not known here{}", Quote(key),
                yaml::Suggestion(key, known));
  }
  return {};
}

Result<double> ReadUsd(const Json& json, std::string_view key) {
  const std::optional<double> usd = json.Number();
  if (!usd || !std::isfinite(*usd) || *usd < 0 || *usd > Gates::kEstimateMaxUsd) {
    return Fail(Cause::kInvalid, "{} must be a number of dollars from 0 to {:.0f}", key,
                Gates::kEstimateMaxUsd);
  }
  return *usd;
}

Result<std::string> ReadText(const Json& json, std::string_view key) {
  if (!json.exists() || json.IsNull()) return std::string();
  const std::optional<std::string> text = json.String();
  if (!text || text->size() > kTextBytesMax) {
    return Fail(Cause::kInvalid, "{} must be a text of at most {} bytes", key, kTextBytesMax);
  }
  return *text;
}

void WriteAnswer(JsonWriter& json, const GateAnswer& answer) {
  json.Field("decision", answer.allow ? "allow" : "deny")
      .Field("reason", answer.reason)
      .Field("sentence", answer.sentence)
      .Field("degraded", answer.degraded);
  if (!answer.reservation_id.empty()) json.Field("reservation_id", answer.reservation_id);
  if (answer.remaining_usd) json.Field("remaining_usd", *answer.remaining_usd);
  if (answer.data_through) json.Field("data_through", FormatRfc3339(*answer.data_through));
}

std::string NameOf(const HttpRequest& request) {
  return request.identity.name.empty() ? "anonymous" : request.identity.name;
}

// What the brain will say, waited for outside it.
template <typename T>
struct Waited {
  std::promise<T> promise;
  std::future<T> future = promise.get_future();
};

}  // namespace

Result<GateRequest> ParseGateRequest(std::string_view body) {
  GateRequest request;
  if (body.empty()) return request;
  const Result<Json> parsed = Json::Parse(body, kBodyBytesMax);
  if (!parsed) return tl::unexpected(parsed.error());
  const Json& json = *parsed;
  if (Status s = CheckKeys(
          json, {"operation", "estimate_usd", "reserve", "ttl_seconds", "idempotency_key"});
      !s) {
    return tl::unexpected(s.error());
  }
  auto operation = ReadText(json["operation"], "operation");
  if (!operation) return tl::unexpected(operation.error());
  auto key = ReadText(json["idempotency_key"], "idempotency_key");
  if (!key) return tl::unexpected(key.error());
  request.operation = *std::move(operation);
  request.idempotency_key = *std::move(key);
  if (json["estimate_usd"].exists()) {
    const auto usd = ReadUsd(json["estimate_usd"], "estimate_usd");
    if (!usd) return tl::unexpected(usd.error());
    request.estimate_usd = *usd;
  }
  if (json["reserve"].exists()) {
    if (!json["reserve"].IsBool()) return Fail(Cause::kInvalid, "reserve must be true or false");
    request.reserve = json["reserve"].BoolOr(false);
  }
  if (json["ttl_seconds"].exists()) {
    const std::optional<double> seconds = json["ttl_seconds"].Number();
    if (!seconds || !(*seconds >= 1) || *seconds > ToSeconds(Gates::kTtlMax)) {
      return Fail(Cause::kInvalid, "ttl_seconds must be a number from 1 to {}",
                  ToSeconds(Gates::kTtlMax));
    }
    request.ttl = Millis(static_cast<std::int64_t>(*seconds * 1000));
  }
  return request;
}

void GatesApi::AddRoutes(Router& router) {
  router.Add("GET", "/api/fettle/v1/gates", Role::kRead,
             [this](const HttpRequest& request) { return List(request); });
  router.Add("POST", std::string(kPath), Role::kOperator,
             [this](const HttpRequest& request) { return Do(request); });
}

HttpResponse GatesApi::List(const HttpRequest&) const {
  JsonWriter json;
  json.BeginObject().Key("gates").BeginArray();
  for (const GateSpec& gate : deps_.gates.specs()) {
    const GateFacts facts = deps_.gates.Look(gate, deps_.clock.Now().wall);
    struct Seen {
      double reserved = 0;
      std::vector<Reservation> reservations;
    };
    // By value: one that is answered too late finds nobody here any more.
    const auto seen = deps_.brain.Call(
        kAnswerWithin, [this, gate = &gate, through = facts.data_through](const Moment& now) {
          return Seen{deps_.gates.ReservedUsd(gate->budget, through, now.wall),
                      deps_.gates.ReservationsOf(gate->name)};
        });
    if (!seen) return ErrorResponse(503, seen.error().message);
    json.BeginObject()
        .Field("name", gate.name)
        .Field("when", gate.when)
        .Field("budget", gate.budget);
    if (facts.condition) json.Field("condition", *facts.condition);
    if (facts.spent_usd) json.Field("spent_usd", *facts.spent_usd);
    if (facts.limit_usd) json.Field("limit_usd", *facts.limit_usd);
    if (facts.data_through) json.Field("data_through", FormatRfc3339(*facts.data_through));
    if (!facts.trouble.empty()) json.Field("trouble", facts.trouble);
    json.Field("reserved_usd", seen->reserved).Key("reservations").BeginArray();
    for (const Reservation& one : seen->reservations) json.Raw(EncodeReservation(one));
    json.EndArray().EndObject();
  }
  json.EndArray().EndObject();
  return JsonResponse(200, json.Take() + "\n");
}

HttpResponse GatesApi::Do(const HttpRequest& request) {
  const std::string rest = request.Path().substr(kPath.size());
  const std::size_t slash = rest.find('/');
  const std::string name = rest.substr(0, slash);
  const GateSpec* gate = deps_.gates.Find(name);
  if (gate == nullptr) return ErrorResponse(404, "there is no gate named " + Quote(name));
  if (slash == std::string::npos) return Ask(*gate, request);
  constexpr std::string_view kReservations = "/reservations/";
  const std::string_view tail = std::string_view(rest).substr(slash);
  if (!tail.starts_with(kReservations)) {
    return ErrorResponse(404, "a gate has only reservations");
  }
  return Settle(name, std::string(tail.substr(kReservations.size())), request);
}

HttpResponse GatesApi::Ask(const GateSpec& gate, const HttpRequest& request) {
  Result<GateRequest> asked = ParseGateRequest(request.body);
  if (!asked) return ErrorResponse(400, asked.error().message);
  asked->by = NameOf(request);
  const GateFacts facts = deps_.gates.Look(gate, deps_.clock.Now().wall);
  auto waited = std::make_shared<Waited<Result<GateAnswer>>>();
  const auto posted = deps_.brain.Call(kAnswerWithin, [this, gate = &gate, facts,
                                                       asked = *std::move(asked),
                                                       waited](const Moment& now) {
    deps_.gates.Decide(
        *gate, facts, asked,
        [waited](Result<GateAnswer> answer) { waited->promise.set_value(std::move(answer)); }, now);
    return true;
  });
  if (!posted) return ErrorResponse(503, posted.error().message);
  if (waited->future.wait_for(kAnswerWithin) != std::future_status::ready) {
    return ErrorResponse(503, "the decision could not be stored in time");
  }
  const Result<GateAnswer> answer = waited->future.get();
  if (!answer) return Refusal(answer.error());
  JsonWriter json;
  json.BeginObject();
  WriteAnswer(json, *answer);
  json.EndObject();
  return JsonResponse(answer->allow ? 200 : 403, json.Take() + "\n");
}

HttpResponse GatesApi::Settle(const std::string& gate, const std::string& id,
                              const HttpRequest& request) {
  const Result<Json> json = Json::Parse(request.body, kBodyBytesMax);
  if (!json) return ErrorResponse(400, json.error().message);
  if (Status s = CheckKeys(*json, {"actual_usd"}); !s) return ErrorResponse(400, s.error().message);
  const auto usd = ReadUsd((*json)["actual_usd"], "actual_usd");
  if (!usd) return ErrorResponse(400, usd.error().message);
  auto waited = std::make_shared<Waited<Status>>();
  const auto posted = deps_.brain.Call(
      kAnswerWithin, [this, gate, id, usd = *usd, by = NameOf(request), waited](const Moment& now) {
        deps_.gates.Settle(
            gate, id, usd, by,
            [waited](Status status) { waited->promise.set_value(std::move(status)); }, now);
        return true;
      });
  if (!posted) return ErrorResponse(503, posted.error().message);
  if (waited->future.wait_for(kAnswerWithin) != std::future_status::ready) {
    return ErrorResponse(503, "the settlement could not be stored in time");
  }
  const Status status = waited->future.get();
  return status ? JsonResponse(200, "{}\n") : Refusal(status.error());
}

}  // namespace fettle::receivers
