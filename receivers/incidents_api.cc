#include "receivers/incidents_api.h"

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/duration.h"
#include "common/json.h"

namespace fettle::receivers {
namespace {

constexpr std::string_view kPath = "/api/fettle/v1/incidents/";

HttpResponse ErrorResponse(int status, std::string_view text) {
  JsonWriter json;
  json.BeginObject().Field("error", text).EndObject();
  return JsonResponse(status, json.Take() + "\n");
}

void WriteTime(JsonWriter& json, std::string_view key, Time at) {
  if (at != Time{}) json.Field(key, FormatRfc3339(at));
}

void WriteAttempt(JsonWriter& json, const Attempt& attempt) {
  json.BeginObject()
      .Field("id", attempt.id)
      .Field("action", attempt.kind)
      .Field("instance", attempt.instance)
      .Field("state", ToString(attempt.state))
      .Field("note", attempt.note);
  if (attempt.verified) json.Field("verified", *attempt.verified);
  WriteTime(json, "intent_at", attempt.intent_at);
  WriteTime(json, "ended_at", attempt.ended_at);
  WriteTime(json, "verified_at", attempt.verified_at);
  json.EndObject();
}

void WriteTrigger(JsonWriter& json, const Trigger& trigger) {
  json.BeginObject().Field("resolved", trigger.resolved);
  WriteTime(json, "starts_at", trigger.starts_at);
  json.Key("labels").BeginObject();
  for (const auto& [name, value] : trigger.labels) json.Field(name, value);
  json.EndObject().EndObject();
}

void WriteIncident(JsonWriter& json, const Mender::View& view, bool whole,
                   const std::string& evidence = "") {
  const Incident& incident = view.incident;
  json.BeginObject()
      .Field("id", incident.id)
      .Field("repair", incident.repair)
      .Field("target", incident.target)
      .Field("state", ToString(incident.state))
      .Field("outcome", incident.outcome)
      .Field("reason", incident.reason)
      .Field("sentence", incident.sentence)
      .Field("action", view.action)
      .Field("attempts_made", incident.attempts)
      .Field("on_hold", incident.on_hold);
  WriteTime(json, "opened_at", incident.opened_at);
  WriteTime(json, "closed_at", incident.closed_at);
  if (view.next_in) json.Field("next_in_seconds", ToSeconds(*view.next_in));
  if (whole) {
    json.Key("triggers").BeginArray();
    for (const Trigger& trigger : incident.triggers) WriteTrigger(json, trigger);
    json.EndArray().Key("timeline").BeginArray();
    for (const TimelineEntry& entry : incident.timeline) {
      json.BeginObject().Field("at", FormatRfc3339(entry.at)).Field("text", entry.text).EndObject();
    }
    json.EndArray();
    if (!evidence.empty()) json.Key("evidence").Raw(evidence);
  }
  json.Key("attempts").BeginArray();
  for (const Attempt& attempt : view.attempts) WriteAttempt(json, attempt);
  json.EndArray().EndObject();
}

void WriteTarget(JsonWriter& json, const TargetSpec& target,
                 const std::vector<Container>& inventory) {
  json.BeginObject().Field("name", target.name).Field("connection", target.connection);
  json.Key("containers").BeginArray();
  for (const Container& container : inventory) {
    const bool meant = !target.container.empty() ? container.name == target.container
                       : !target.label.empty()   ? LabelSaysYes(container, target.label)
                                                 : container.Project() == target.project &&
                                                     container.Service() == target.service;
    if (!meant) continue;
    json.BeginObject()
        .Field("name", container.name)
        .Field("state", ToString(container.state))
        .Field("health", ToString(container.health))
        .EndObject();
  }
  json.EndArray().EndObject();
}

constexpr std::string_view kApprovalPage = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>fettle</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><h1>{}</h1><p>It would {} {}.</p><form method="post"><button>Approve</button></form></body></html>
)";

Result<int> Checked(const IncidentsApi::Deps& deps, const HttpRequest& request) {
  if (deps.approvals == nullptr || deps.clock == nullptr) {
    return Fail(Cause::kDenied, "links are not taken here");
  }
  return deps.approvals->Check(request.Query("token").value_or(""),
                               request.Query("incident").value_or(""), deps.clock->Now().wall);
}

// The answer comes after the decision is stored, so it is waited for outside the brain.
template <typename Ask>
HttpResponse Answer(Brain& brain, Ask ask) {
  auto stored = std::make_shared<std::promise<Status>>();
  std::future<Status> answer = stored->get_future();
  const auto asked = brain.Call(IncidentsApi::kAnswerWithin, [ask, stored](const Moment& now) {
    ask([stored](Status s) { stored->set_value(std::move(s)); }, now);
    return true;
  });
  if (!asked) return ErrorResponse(503, asked.error().message);
  if (answer.wait_for(IncidentsApi::kAnswerWithin) != std::future_status::ready) {
    return ErrorResponse(503, "the decision could not be stored in time");
  }
  const Status status = answer.get();
  if (status) return JsonResponse(200, "{}\n");
  const Cause cause = status.error().cause;
  return ErrorResponse(cause == Cause::kNotFound   ? 404
                       : cause == Cause::kConflict ? 409
                                                   : 503,
                       status.error().message);
}

}  // namespace

void IncidentsApi::AddRoutes(Router& router) {
  router.Add("GET", "/api/fettle/v1/incidents", Role::kRead,
             [this](const HttpRequest& request) { return List(request); });
  router.Add("GET", std::string(kPath), Role::kRead,
             [this](const HttpRequest& request) { return One(request); });
  router.Add("POST", std::string(kPath), Role::kOperator,
             [this](const HttpRequest& request) { return Do(request); });
  // The link is the credential.
  router.Add("GET", "/approve", Role::kPublic,
             [this](const HttpRequest& request) { return ShowApproval(request); });
  router.Add("POST", "/approve", Role::kPublic,
             [this](const HttpRequest& request) { return Approve(request); });
  router.Add("GET", "/api/fettle/v1/targets", Role::kRead,
             [this](const HttpRequest& request) { return Targets(request); });
}

HttpResponse IncidentsApi::List(const HttpRequest&) const {
  auto views = deps_.brain.Call(kAnswerWithin, [this](const Moment& now) {
    std::vector<Mender::View> all = deps_.mender.Open(now);
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
      return a.incident.opened_at > b.incident.opened_at;
    });
    for (Mender::View& view : deps_.mender.Closed()) all.push_back(std::move(view));
    return all;
  });
  if (!views) return ErrorResponse(503, views.error().message);
  JsonWriter json;
  json.BeginObject().Key("incidents").BeginArray();
  for (const Mender::View& view : *views) WriteIncident(json, view, false);
  json.EndArray().EndObject();
  return JsonResponse(200, json.Take() + "\n");
}

HttpResponse IncidentsApi::One(const HttpRequest& request) const {
  const std::string id = request.Path().substr(kPath.size());
  auto view = deps_.brain.Call(
      kAnswerWithin, [this, id](const Moment& now) { return deps_.mender.Find(id, now); });
  if (!view) return ErrorResponse(503, view.error().message);
  if (!view->has_value()) return ErrorResponse(404, "there is no incident " + id);
  std::string evidence;
  if (deps_.store != nullptr && (*view)->incident.has_evidence) {
    const auto records = deps_.store->Read({.kind = std::string(kEvidenceKind), .id = id});
    if (records && !records->empty()) evidence = records->front().body;
  }
  JsonWriter json;
  WriteIncident(json, **view, true, evidence);
  return JsonResponse(200, json.Take() + "\n");
}

HttpResponse IncidentsApi::Do(const HttpRequest& request) {
  const std::string rest = request.Path().substr(kPath.size());
  const std::size_t slash = rest.find('/');
  const std::string id = rest.substr(0, slash);
  const std::string verb = slash == std::string::npos ? "" : rest.substr(slash + 1);
  std::optional<Mender::Command> command;
  if (verb == "approve") command = Mender::Command::kApprove;
  if (verb == "hold") command = Mender::Command::kHold;
  if (verb == "retry") command = Mender::Command::kRetry;
  if (!command) return ErrorResponse(404, "an incident can be approved, held or retried");
  const std::string by = request.identity.name.empty() ? "anonymous" : request.identity.name;

  return Answer(deps_.brain, [this, command = *command, id, by](auto done, const Moment& now) {
    deps_.mender.Do(command, id, by, done, now);
  });
}

// Chats fetch what they are shown, so looking approves nothing.
HttpResponse IncidentsApi::ShowApproval(const HttpRequest& request) const {
  const std::string id = request.Query("incident").value_or("");
  const Result<int> pass = Checked(deps_, request);
  if (!pass) return TextResponse(403, pass.error().message + "\n");
  auto view = deps_.brain.Call(
      kAnswerWithin, [this, id](const Moment& now) { return deps_.mender.Find(id, now); });
  if (!view) return TextResponse(503, view.error().message + "\n");
  const bool waits = view->has_value() && (*view)->incident.open() &&
                     (*view)->incident.reason == kReasonApproval && (*view)->incident.pass == *pass;
  if (!waits) return TextResponse(403, "nothing waits for this approval any more\n");
  // Names of the configuration and words of ours: nothing of an alert.
  HttpResponse page = TextResponse(200, fmt::format(kApprovalPage, (*view)->incident.repair,
                                                    (*view)->action, (*view)->incident.target));
  page.headers.Set("Content-Type", "text/html; charset=utf-8");
  page.headers.Set("Content-Security-Policy",
                   "default-src 'none'; form-action 'self'; frame-ancestors 'none'");
  page.headers.Set("Referrer-Policy", "no-referrer");
  return page;
}

HttpResponse IncidentsApi::Approve(const HttpRequest& request) {
  const std::string id = request.Query("incident").value_or("");
  const Result<int> pass = Checked(deps_, request);
  if (!pass) return TextResponse(403, pass.error().message + "\n");
  HttpResponse answer = Answer(deps_.brain, [this, id, pass = *pass](auto done, const Moment& now) {
    deps_.mender.Approve(id, pass, "a link", done, now);
  });
  if (answer.status == 200) return TextResponse(200, "approved\n");
  if (answer.status != 503) answer.status = 403;
  return answer;
}

HttpResponse IncidentsApi::Targets(const HttpRequest&) const {
  struct Seen {
    std::shared_ptr<const RepairsConfig> config;
    std::map<std::string, std::vector<Container>> inventory;
  };
  const auto seen = deps_.brain.Call(kAnswerWithin, [this](const Moment&) {
    return Seen{deps_.mender.config(), deps_.mender.Inventory()};
  });
  if (!seen) return ErrorResponse(503, seen.error().message);
  JsonWriter json;
  json.BeginObject().Key("targets").BeginArray();
  for (const TargetSpec& target : seen->config->targets) {
    const auto at = seen->inventory.find(target.connection);
    WriteTarget(json, target, at == seen->inventory.end() ? std::vector<Container>{} : at->second);
  }
  json.EndArray().EndObject();
  return JsonResponse(200, json.Take() + "\n");
}

}  // namespace fettle::receivers
