// The routes of the one port, listed by hand: method, path, who may, and who answers.
#include <utility>

#include "command.h"
#include "common/duration.h"
#include "common/json.h"
#include "fettle_parts.h"
#include "receivers/backups/backups_api.h"
#include "rules/alertmanagers_api.h"
#include "rules/explain.h"
#include "rules/rules_api.h"

namespace fettle {
namespace {

constexpr Millis kHealthyWithin{5'000};

// Who this is, for a person who opens the address in a browser.
constexpr std::string_view kFrontDoor = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>fettle</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:3em auto;padding:0 1em}</style>
</head><body><h1>fettle</h1><p>The exporter observes, the rules judge, the receivers act.</p><ul>
<li><a href="/metrics">/metrics</a>: what is observed</li>
<li><a href="/api/v1/rules">/api/v1/rules</a>: what is judged</li>
<li><a href="/api/fettle/v1/rules">/api/fettle/v1/rules</a>: why a rule is not firing</li>
<li><a href="/api/fettle/v1/rules?dead=true">/api/fettle/v1/rules?dead=true</a>: rules that can never fire</li>
<li><a href="/api/v1/alerts">/api/v1/alerts</a>: what is wrong now</li>
<li><a href="/api/fettle/v1/incidents">/api/fettle/v1/incidents</a>: what is being repaired</li>
<li><a href="/api/fettle/v1/targets">/api/fettle/v1/targets</a>: what may be repaired</li>
<li><a href="/api/fettle/v1/backups">/api/fettle/v1/backups</a>: what is backed up</li>
<li><a href="/api/fettle/v1/status">/api/fettle/v1/status</a>: all of it in short</li>
</ul></body></html>
)";

HttpResponse FrontDoor(const HttpRequest&) {
  HttpResponse response{200, {}, std::string(kFrontDoor)};
  response.headers.Set("Content-Type", "text/html; charset=utf-8");
  response.headers.Set("Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
  return response;
}

// Healthy: the brain answers and the store takes commits.
HttpResponse Healthy(Fettle::Parts& parts) {
  if (Status store = parts.store->Health(); !store) {
    return TextResponse(503, "the store fails: " + store.error().message + "\n");
  }
  if (!parts.brain.Call(kHealthyWithin, [](const Moment&) { return true; })) {
    return TextResponse(503, "the brain does not answer\n");
  }
  return TextResponse(200, "fettle is healthy.\n");
}

HttpResponse StatusOf(Fettle::Parts& parts) {
  struct Counts {
    std::size_t alerts = 0;
    std::size_t incidents = 0;
    std::size_t escalated = 0;
  };
  const auto counts = parts.brain.Call(kHealthyWithin, [&parts](const Moment& now) {
    Counts c;
    for (const auto& alert : parts.alerts.Snapshot()->alerts) {
      if (!alert->alert.ResolvedAt(now.wall)) ++c.alerts;
    }
    for (const auto& view : parts.mender.Open(now)) {
      ++c.incidents;
      if (view.incident.state == receivers::IncidentState::kEscalated) ++c.escalated;
    }
    return c;
  });
  if (!counts) return TextResponse(503, counts.error().message + "\n");
  const Status store = parts.store->Health();
  const rules::SampleStore::Stats samples = parts.samples.stats();
  JsonWriter json;
  json.BeginObject()
      .Field("version", VersionText())
      .Field("started", FormatRfc3339(parts.started))
      .Field("ready", parts.ready.load())
      .Field("store", store ? std::string("ok") : store.error().message)
      .Field("series", static_cast<std::int64_t>(samples.series))
      .Field("alerts_firing", static_cast<std::int64_t>(counts->alerts))
      .Field("incidents_open", static_cast<std::int64_t>(counts->incidents))
      .Field("incidents_escalated", static_cast<std::int64_t>(counts->escalated));
  json.Key("engines").BeginArray();
  for (const auto& [name, engine] : parts.engines) {
    json.BeginObject()
        .Field("name", name)
        .Field("following", engine.watch->Following())
        .Field("containers", static_cast<std::int64_t>(engine.watch->Containers().size()))
        .EndObject();
  }
  json.EndArray().Key("backups").BeginArray();
  for (const auto& job : parts.backups.View()) {
    json.BeginObject().Field("name", job.name).Field("state", ToString(job.phase)).EndObject();
  }
  json.EndArray().EndObject();
  return JsonResponse(200, json.Take() + "\n");
}

void AddManagement(Router& router, Fettle& fettle, Fettle::Parts& parts) {
  router.Add("GET", "/-/healthy", Role::kPublic,
             [&parts](const HttpRequest&) { return Healthy(parts); });
  router.Add("GET", "/-/ready", Role::kPublic, [&parts](const HttpRequest&) {
    return parts.ready ? TextResponse(200, "fettle is ready.\n")
                       : TextResponse(503, "fettle is not ready yet\n");
  });
  const auto lifecycle = [&parts](HttpHandler handler) -> HttpHandler {
    if (parts.options.enable_lifecycle) return handler;
    return [](const HttpRequest&) {
      return TextResponse(403, "Lifecycle API is not enabled (--web.enable-lifecycle)\n");
    };
  };
  router.Add("POST", "/-/reload", Role::kOperator, lifecycle([&fettle](const HttpRequest&) {
               const Status reloaded = fettle.Reload();
               return reloaded
                          ? TextResponse(200, "")
                          : TextResponse(
                                500, "failed to reload config: " + reloaded.error().message + "\n");
             }));
  router.Add("POST", "/-/quit", Role::kOperator, lifecycle([&fettle](const HttpRequest&) {
               fettle.Quit();
               return TextResponse(200, "Requesting termination... Goodbye!\n");
             }));
}

HttpResponse RemoteWrite(Fettle::Parts& parts, const HttpRequest& request) {
  if (parts.options.enable_remote_write_receiver) return parts.remote_write.Handle(request);
  return TextResponse(404,
                      "remote write receiver needs to be enabled with "
                      "--web.enable-remote-write-receiver\n");
}

}  // namespace

Router Fettle::Parts::MakeRouter(Fettle& fettle) {
  Router router;
  AddManagement(router, fettle, *this);
  router.Add("GET", "/", Role::kRead, FrontDoor);
  router.Add("GET", "/metrics", Role::kRead,
             [this](const HttpRequest& request) { return gatherer.Serve(request); });
  router.Add("POST", "/webhook", Role::kWebhook,
             [this](const HttpRequest& request) { return intake.Handle(request); });
  query_api.AddRoutes(router);
  series_api.AddRoutes(router);
  status_api.AddRoutes(router);
  targets_api.AddRoutes(router);
  router.Add("GET", "/federate", Role::kRead,
             [this](const HttpRequest& request) { return federation.Serve(request); });
  router.Add("POST", "/api/v1/write", Role::kWebhook,
             [this](const HttpRequest& request) { return RemoteWrite(*this, request); });
  api.AddRoutes(router);
  explain_api.AddRoutes(router);
  events.AddRoutes(router);
  gates_api.AddRoutes(router);
  incidents_api.AddRoutes(router);
  router.Add("GET", "/api/v1/rules", Role::kRead,
             [this](const HttpRequest& request) { return rules::ServeRules(rules, request); });
  router.Add("GET", "/api/v1/alerts", Role::kRead,
             [this](const HttpRequest& request) { return rules::ServeAlerts(rules, request); });
  router.Add("GET", "/api/fettle/v1/rules", Role::kRead, [this](const HttpRequest& request) {
    return rules::ServeExplained(rules, {.query = rule_query, .clock = deps.clock}, request);
  });
  router.Add("GET", "/api/v1/alertmanagers", Role::kRead,
             [this](const HttpRequest&) { return rules::ServeAlertmanagers(notifier); });
  router.Add("GET", "/api/fettle/v1/status", Role::kRead,
             [this](const HttpRequest&) { return StatusOf(*this); });
  router.Add("POST", "/api/fettle/v1/pings/", Role::kWebhook,
             [this](const HttpRequest& request) { return pings.Handle(request); });
  router.Add("GET", "/api/fettle/v1/backups", Role::kRead, [this](const HttpRequest& request) {
    return receivers::backups::ServeBackups(backups, request);
  });
  router.Add("GET", "/api/fettle/v1/backups/", Role::kRead, [this](const HttpRequest& request) {
    return receivers::backups::ServeBackups(backups, request);
  });
  router.Add("POST", "/api/fettle/v1/backups/", Role::kOperator,
             [this](const HttpRequest& request) {
               return receivers::backups::ServeBackupAction(backups, brain, request);
             });
  return router;
}

}  // namespace fettle
