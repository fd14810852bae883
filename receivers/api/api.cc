#include "receivers/api/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <future>
#include <utility>

#include "common/duration.h"

namespace fettle::receivers {
namespace {

constexpr std::string_view kRoot = "/api/v2";
constexpr Millis kLookAgain{20};

HttpResponse TextError(int status, const std::string& text) {
  return ApiError{status, 0, text}.ToResponse();
}

HttpResponse Busy(const Error& error) {
  HttpResponse response = TextError(503, error.message);
  response.headers.Set("Retry-After", "1");
  return response;
}

HttpResponse Late() {
  return Busy(Error{"it was not stored in time: post it again", Cause::kUnavailable});
}

}  // namespace

Api::Api(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      refused_gets_(deps_.metrics.Counter(
          "alertmanager_http_concurrency_limit_exceeded_total",
          "Total number of times an HTTP request failed because the concurrency limit was reached.",
          {{"method", "get"}})),
      firing_(deps_.metrics.Counter("alertmanager_alerts_received_total",
                                    "The total number of received alerts.",
                                    {{"status", "firing"}, {"version", "v2"}})),
      resolved_(deps_.metrics.Counter("alertmanager_alerts_received_total",
                                      "The total number of received alerts.",
                                      {{"status", "resolved"}, {"version", "v2"}})),
      invalid_(deps_.metrics.Counter("alertmanager_alerts_invalid_total",
                                     "The total number of received alerts that were invalid.",
                                     {{"version", "v2"}})) {}

const std::vector<Api::Endpoint>& Api::Endpoints() {
  static const std::vector<Endpoint> endpoints = {
      {"GET", "/status", Role::kRead, &Api::GetStatus},
      {"GET", "/receivers", Role::kRead, &Api::GetReceivers},
      {"GET", "/alerts", Role::kRead, &Api::GetAlerts},
      {"POST", "/alerts", Role::kWebhook, &Api::PostAlerts},
      {"GET", "/alerts/groups", Role::kRead, &Api::GetGroups},
      {"GET", "/silences", Role::kRead, &Api::GetSilences},
      {"POST", "/silences", Role::kOperator, &Api::PostSilences},
      {"GET", "/silence/", Role::kRead, &Api::GetSilence},
      {"DELETE", "/silence/", Role::kOperator, &Api::DeleteSilence},
  };
  return endpoints;
}

void Api::AddRoutes(Router& router) {
  const auto serve = [this](const HttpRequest& request) { return Serve(request); };
  const std::string root = options_.prefix + std::string(kRoot);
  for (const Endpoint& endpoint : Endpoints()) {
    router.Add(endpoint.method, root + endpoint.path, endpoint.role, serve);
  }
  for (const char* method : {"GET", "POST", "PUT", "DELETE", "PATCH"}) {
    router.Add(method, root + "/", Role::kRead, serve);
  }
  // A browser asks without credentials.
  router.Add("OPTIONS", root + "/", Role::kPublic, serve);
  if (!options_.drop_in) return;
  for (const char* method : {"GET", "POST", "DELETE"}) {
    router.Add(method, options_.prefix + "/api/v1/", Role::kRead, [](const HttpRequest&) {
      return JsonResponse(
          410,
          R"({"status":"deprecated","error":"The Alertmanager v1 API was deprecated in version )"
          R"(0.16.0 and is removed as of version 0.27.0 - please use the equivalent route in the )"
          "v2 API\"}\n");
    });
  }
}

HttpResponse Api::Serve(const HttpRequest& request) {
  HttpResponse response = Route(request);
  response.headers.Set("Cache-Control", "no-store");
  response.headers.Set("Vary", "Origin");
  if (options_.drop_in && request.headers.Has("Origin")) {
    response.headers.Set("Access-Control-Allow-Origin", "*");
  }
  return response;
}

HttpResponse Api::Route(const HttpRequest& request) {
  const std::string whole = request.Path();
  const std::string_view path =
      std::string_view(whole).substr(options_.prefix.size() + kRoot.size());
  if (request.method == "OPTIONS" && options_.drop_in &&
      request.headers.Has("Access-Control-Request-Method")) {
    HttpResponse response{204, {}, ""};
    response.headers.Set("Access-Control-Allow-Methods",
                         request.headers.Get("Access-Control-Request-Method"));
    response.headers.Set("Access-Control-Allow-Headers", "Content-Type");
    return response;
  }
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::string allowed;
  for (const Endpoint& endpoint : Endpoints()) {
    const std::string_view known = endpoint.path;
    const bool below = known.back() == '/' && path.size() > known.size() &&
                       path.starts_with(known) &&
                       path.find('/', known.size()) == std::string_view::npos;
    if (path != known && !below) continue;
    if (known.back() == '/' && !below) continue;
    if (endpoint.method == method) {
      if (method != "GET") return (this->*endpoint.serve)(request);
      const bool too_many = gets_.fetch_add(1) >= options_.gets_max;
      HttpResponse response;
      if (too_many) {
        refused_gets_.Increment();
        response = TextResponse(
            503, fmt::format("Limit of concurrent GET requests reached ({}), try again later.\n",
                             options_.gets_max));
      } else {
        response = (this->*endpoint.serve)(request);
      }
      gets_.fetch_sub(1);
      return response;
    }
    allowed += (allowed.empty() ? "" : ",") + std::string(endpoint.method);
  }
  if (allowed.empty()) {
    return ApiError{404, 404, fmt::format("path {} was not found", whole)}.ToResponse();
  }
  HttpResponse response =
      ApiError{405, 405,
               fmt::format("method {} is not allowed, but [{}] are", request.method, allowed)}
          .ToResponse();
  response.headers.Set("Allow", allowed);
  return response;
}

HttpResponse Api::GetStatus(const HttpRequest&) {
  const auto plan = deps_.brain.Call(options_.answer_within,
                                     [this](const Moment&) { return deps_.telling.PlanInForce(); });
  if (!plan) return Busy(plan.error());
  JsonWriter json(JsonWriter::Options{.escape_html = true});
  const std::vector<Options::Peer> peers =
      options_.live_peers ? options_.live_peers() : options_.peers;
  json.BeginObject().Key("cluster").BeginObject();
  if (!peers.empty()) json.Field("name", peers.front().name);
  json.Key("peers").BeginArray();
  for (const Options::Peer& peer : peers) {
    json.BeginObject().Field("address", peer.address).Field("name", peer.name).EndObject();
  }
  json.EndArray().Field("status", peers.empty() ? "disabled" : "ready").EndObject();
  json.Key("config").BeginObject();
  json.Field("original", *plan == nullptr ? std::string() : (*plan)->config.original).EndObject();
  json.Field("uptime", FormatRfc3339(options_.started));
  json.Key("versionInfo").BeginObject();
  json.Field("branch", "fettle").Field("buildDate", "").Field("buildUser", "");
  json.Field("goVersion", "").Field("revision", options_.own_version);
  json.Field("version", kVersion).EndObject().EndObject();
  return JsonResponse(200, json.Take() + "\n");
}

HttpResponse Api::GetReceivers(const HttpRequest& request) {
  Matchers matchers;
  for (const std::string& text : request.QueryAll("receiver_matchers")) {
    Result<Matcher> matcher = ReadFilterMatcher(text, options_.syntax);
    if (!matcher) {
      return TextError(400, "failed to parse receiver_matchers param: " + matcher.error().message);
    }
    matchers.push_back(*std::move(matcher));
  }
  const auto plan = deps_.brain.Call(options_.answer_within,
                                     [this](const Moment&) { return deps_.telling.PlanInForce(); });
  if (!plan) return Busy(plan.error());
  JsonWriter json(JsonWriter::Options{.escape_html = true});
  json.BeginArray();
  if (*plan != nullptr) {
    for (const ReceiverConfig& receiver : (*plan)->config.receivers) {
      if (!MatchAll(matchers, receiver.labels)) continue;
      json.BeginObject().Key("labels").BeginObject();
      for (const auto& [name, value] : receiver.labels) json.Field(name, value);
      json.EndObject().Field("name", receiver.name).EndObject();
    }
  }
  json.EndArray();
  return JsonResponse(200, json.Take() + "\n");
}

template <typename T>
std::optional<T> Api::Await(std::function<void(std::function<void(T)>)> start) {
  // Shared: the answer may come after we stopped waiting for it.
  auto promise = std::make_shared<std::promise<T>>();
  std::future<T> future = promise->get_future();
  const auto asked = deps_.brain.Call(options_.answer_within, [promise, start](const Moment&) {
    start([promise](T answer) { promise->set_value(std::move(answer)); });
    return true;
  });
  if (!asked) return std::nullopt;
  const BootTime until = deps_.clock.Now().boot + options_.answer_within;
  while (future.wait_for(kLookAgain) != std::future_status::ready) {
    if (deps_.clock.Now().boot >= until) return std::nullopt;
    (void)deps_.brain.Call(options_.answer_within, [](const Moment&) { return true; });
  }
  return future.get();
}

HttpResponse Api::PostAlerts(const HttpRequest& request) {
  if (const auto json = CheckContentType(request); !json) return json.error().ToResponse();
  ApiResult<std::vector<Alert>> alerts = ReadPostableAlerts(request.body);
  if (!alerts) {
    invalid_.Increment();
    return alerts.error().ToResponse();
  }
  const Time now = deps_.clock.Now().wall;
  for (const Alert& alert : *alerts) (alert.ResolvedAt(now) ? resolved_ : firing_).Increment();
  auto promise = std::make_shared<std::promise<Status>>();
  std::future<Status> future = promise->get_future();
  deps_.alerts.Post({AlertSource::kApi, *std::move(alerts)},
                    [promise](Status status) { promise->set_value(std::move(status)); });
  if (future.wait_for(options_.answer_within) != std::future_status::ready) return Late();
  const Status stored = future.get();
  if (stored) return HttpResponse{200, {}, ""};
  if (stored.error().cause != Cause::kInvalid) return Busy(stored.error());
  const std::string& why = stored.error().message;
  invalid_.Increment(1 + static_cast<double>(std::count(why.begin(), why.end(), '\n')));
  return TextError(400, why);
}

HttpResponse Api::GetSilences(const HttpRequest& request) {
  Matchers wanted;
  for (const std::string& text : request.QueryAll("filter")) {
    Result<Matcher> matcher = ReadFilterMatcher(text, options_.syntax);
    if (!matcher) return TextError(400, matcher.error().message);
    wanted.push_back(*std::move(matcher));
  }
  auto all = deps_.brain.Call(options_.answer_within,
                              [this](const Moment&) { return deps_.telling.silences().All(); });
  if (!all) return Busy(all.error());
  std::erase_if(*all, [&](const auto& silence) {
    return !std::all_of(wanted.begin(), wanted.end(), [&](const Matcher& matcher) {
      return std::find(silence->matchers.begin(), silence->matchers.end(), matcher) !=
             silence->matchers.end();
    });
  });
  const Time now = deps_.clock.Now().wall;
  SortSilences(*all, now);
  JsonWriter json(JsonWriter::Options{.escape_html = true});
  json.BeginArray();
  for (const auto& silence : *all) WriteSilence(json, *silence, now);
  json.EndArray();
  return JsonResponse(200, json.Take() + "\n");
}

HttpResponse Api::PostSilences(const HttpRequest& request) {
  if (const auto json = CheckContentType(request); !json) return json.error().ToResponse();
  const ApiResult<Silence> silence = ReadPostableSilence(request.body);
  if (!silence) return silence.error().ToResponse();
  if (silence->starts_at >= silence->ends_at) {
    return TextError(400, "Failed to create silence: start time must be before end time");
  }
  if (silence->ends_at < deps_.clock.Now().wall) {
    return TextError(400, "Failed to create silence: end time can't be in the past");
  }
  if (options_.syntax == MatcherSyntax::kClassic) {
    for (std::size_t i = 0; i < silence->matchers.size(); ++i) {
      const std::string& name = silence->matchers[i].name();
      if (IsLabelName(name)) continue;
      return TextError(400, fmt::format("invalid silence: invalid label matcher {} in set 0: "
                                        "invalid label name {}",
                                        i, Quote(name)));
    }
  }
  const auto id = Await<Result<std::string>>(
      [this, &silence](auto then) { deps_.telling.silences().Set(*silence, std::move(then)); });
  if (!id) return Late();
  if (*id) {
    JsonWriter json;
    json.BeginObject().Field("silenceID", **id).EndObject();
    return JsonResponse(200, json.Take() + "\n");
  }
  const Error& error = id->error();
  switch (error.cause) {
    case Cause::kNotFound:
      return TextError(404, error.message);
    case Cause::kInvalid:
    case Cause::kLimit:
      return TextError(400, error.message);
    default:
      return Busy(error);
  }
}

ApiResult<std::string> Api::SilenceId(const HttpRequest& request) const {
  const std::string path = request.Path();
  std::string id = path.substr(path.rfind('/') + 1);
  if (IsUuid(id)) return id;
  return tl::unexpected<ApiError>(
      {422, 601, fmt::format("silenceID in path must be of type uuid: {}", Quote(id))});
}

HttpResponse Api::GetSilence(const HttpRequest& request) {
  const ApiResult<std::string> id = SilenceId(request);
  if (!id) return id.error().ToResponse();
  const auto silence = deps_.brain.Call(options_.answer_within, [this, &id](const Moment&) {
    return deps_.telling.silences().Find(*id);
  });
  if (!silence) return Busy(silence.error());
  if (*silence == nullptr) return HttpResponse{404, {}, ""};
  JsonWriter json(JsonWriter::Options{.escape_html = true});
  WriteSilence(json, **silence, deps_.clock.Now().wall);
  return JsonResponse(200, json.Take() + "\n");
}

HttpResponse Api::DeleteSilence(const HttpRequest& request) {
  const ApiResult<std::string> id = SilenceId(request);
  if (!id) return id.error().ToResponse();
  const auto expired = Await<Status>(
      [this, &id](auto then) { deps_.telling.silences().Expire(*id, std::move(then)); });
  if (!expired) return Late();
  if (*expired) return HttpResponse{200, {}, ""};
  if (expired->error().cause == Cause::kNotFound) return HttpResponse{404, {}, ""};
  return Busy(expired->error());
}

}  // namespace fettle::receivers
