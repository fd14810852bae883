#include "receivers/api/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/duration.h"
#include "common/json.h"

namespace fettle::receivers {
namespace {

using Live = std::shared_ptr<const LiveAlert>;

// All that match, sorted by fingerprint.
std::vector<Live> Matching(Alerts& alerts, const Matchers& matchers) {
  std::optional<std::vector<Live>> few = alerts.Among(matchers);
  std::vector<Live> found = few ? *std::move(few) : alerts.Snapshot()->alerts;
  std::erase_if(found, [&](const Live& live) { return !MatchAll(matchers, live->alert.labels); });
  return found;
}

HttpResponse Refused(int status, std::string_view why) {
  JsonWriter json;
  json.BeginObject().Field("error", why).EndObject();
  return JsonResponse(status, json.Take() + "\n");
}

void WriteLabels(JsonWriter& json, const Labels& labels) {
  json.Key("labels").BeginObject();
  for (const auto& [name, value] : labels) json.Field(name, value);
  json.EndObject();
}

bool Holds(const std::vector<std::uint64_t>& sorted, std::uint64_t fingerprint) {
  return std::binary_search(sorted.begin(), sorted.end(), fingerprint);
}

// One alert, one group it goes to, one integration that is told of it.
struct Case {
  const LiveAlert& alert;
  const QuietState& quiet;
  const Dispatcher::Membership& where;
  const std::vector<std::string>& muted_by;
  const Integration& integration;
  const ToldEntry* entry;
  bool resolved;
};

// In the order of the pipeline.
std::string Verdict(const Case& c) {
  if (c.quiet.inhibited_by) {
    return fmt::format("keeps quiet: inhibited by {:016x}", *c.quiet.inhibited_by);
  }
  if (!c.muted_by.empty()) {
    const bool active = c.muted_by == c.where.route->active_time_intervals;
    return fmt::format("keeps quiet: {} {}", active ? "outside the active hours" : "in mute hours",
                       fmt::join(c.muted_by, ", "));
  }
  if (!c.quiet.silenced_by.empty()) {
    return "keeps quiet: silenced by " + c.quiet.silenced_by.front();
  }
  const bool told_firing = c.entry != nullptr && Holds(c.entry->state.firing, c.alert.fingerprint);
  const bool told_over = c.entry != nullptr && Holds(c.entry->state.resolved, c.alert.fingerprint);
  const std::string when = c.entry == nullptr ? "" : FormatRfc3339(c.entry->at);
  if (c.resolved) {
    if (told_over) return "told at " + when + " that it is over";
    if (!told_firing) return "it was over before anybody was told";
    if (!c.integration.send_resolved) return "send_resolved is off: its end is not told";
    return c.where.in_group ? "its end is told at the group's next turn"
                            : "told that it fires; its end was not told";
  }
  if (told_firing) {
    return fmt::format("told, last at {}; again after {} if nothing changes", when,
                       FormatRfc3339(c.entry->at + c.where.route->repeat_interval));
  }
  if (!c.where.in_group) return "in no group: nobody is told of it here";
  return "told at the group's next turn";
}

struct Written {
  Telling& telling;
  Moment now;

  void Alert(JsonWriter& json, const LiveAlert& alert) const {
    const bool resolved = alert.alert.ResolvedAt(now.wall);
    const QuietState quiet = telling.QuietOf(alert.fingerprint, alert.alert.labels, now.wall);
    json.BeginObject().Field("fingerprint", fmt::format("{:016x}", alert.fingerprint));
    WriteLabels(json, alert.alert.labels);
    json.Field("state", resolved ? "resolved" : "firing");
    json.Field("startsAt", FormatRfc3339(alert.alert.starts_at));
    json.Field("endsAt", FormatRfc3339(alert.alert.ends_at));
    json.Field("updatedAt", FormatRfc3339(alert.updated_at));
    json.Key("silencedBy").BeginArray();
    for (const std::string& id : quiet.silenced_by) json.String(id);
    json.EndArray().Key("inhibitedBy").BeginArray();
    if (quiet.inhibited_by) json.String(fmt::format("{:016x}", *quiet.inhibited_by));
    json.EndArray().Key("groups").BeginArray();
    for (const Dispatcher::Membership& where : telling.Where(alert)) {
      Group(json, alert, quiet, where, resolved);
    }
    json.EndArray().EndObject();
  }

  void Group(JsonWriter& json, const LiveAlert& alert, const QuietState& quiet,
             const Dispatcher::Membership& where, bool resolved) const {
    const std::vector<std::string> muted_by = telling.MutedBy(*where.route, now.wall);
    json.BeginObject().Field("receiver", where.route->receiver).Field("group", where.key);
    if (where.in_group) {
      const auto left = std::chrono::duration_cast<Millis>(where.next_flush - now.boot);
      json.Field("nextTurn", FormatRfc3339(now.wall + left));
    }
    json.Key("mutedBy").BeginArray();
    for (const std::string& name : muted_by) json.String(name);
    json.EndArray().Key("integrations").BeginArray();
    const auto plan = telling.PlanInForce();
    const auto found = plan->receivers.find(where.route->receiver);
    const std::vector<Integration> none;
    for (const Integration& one : found == plan->receivers.end() ? none : found->second) {
      const ToldEntry* entry = telling.told().Find({where.key, one.receiver, one.kind, one.index});
      json.BeginObject().Field("integration", fmt::format("{}[{}]", one.kind, one.index));
      if (entry != nullptr) json.Field("lastTold", FormatRfc3339(entry->at));
      json.Field("verdict", Verdict({alert, quiet, where, muted_by, one, entry, resolved}));
      json.EndObject();
    }
    json.EndArray().EndObject();
  }
};

}  // namespace

void ExplainApi::AddRoutes(Router& router) {
  router.Add("GET", "/api/fettle/v1/explain", Role::kRead,
             [this](const HttpRequest& request) { return Explain(request); });
  router.Add("POST", "/api/fettle/v1/silences/preview", Role::kRead,
             [this](const HttpRequest& request) { return Preview(request); });
}

HttpResponse ExplainApi::Explain(const HttpRequest& request) const {
  Matchers matchers;
  for (const std::string& text : request.QueryAll("filter")) {
    Result<Matcher> matcher = ReadFilterMatcher(text, syntax_);
    if (!matcher) return Refused(400, matcher.error().message);
    matchers.push_back(*std::move(matcher));
  }
  if (matchers.empty()) {
    return Refused(400, "say which alerts by ?filter=name=\"value\"");
  }
  const Result<std::string> body =
      deps_.brain.Call(kAnswerWithin, [deps = deps_, matchers](const Moment& now) {
        const std::vector<Live> found = Matching(deps.alerts, matchers);
        const Written written{deps.telling, now};
        JsonWriter json;
        json.BeginObject().Field("count", static_cast<std::int64_t>(found.size()));
        json.Key("alerts").BeginArray();
        for (std::size_t i = 0; i < std::min(found.size(), kListMax); ++i) {
          written.Alert(json, *found[i]);
        }
        return json.EndArray().EndObject().Take();
      });
  if (!body) return Refused(503, body.error().message);
  return JsonResponse(200, *body + "\n");
}

HttpResponse ExplainApi::Preview(const HttpRequest& request) const {
  const ApiResult<Silence> silence = ReadPostableSilence(request.body);
  if (!silence) return Refused(silence.error().status, silence.error().message);
  const Result<std::string> body = deps_.brain.Call(
      kAnswerWithin, [deps = deps_, matchers = silence->matchers](const Moment& now) {
        std::vector<Live> found = Matching(deps.alerts, matchers);
        std::erase_if(found, [&](const Live& live) { return live->alert.ResolvedAt(now.wall); });
        JsonWriter json;
        json.BeginObject().Field("count", static_cast<std::int64_t>(found.size()));
        json.Field("of", static_cast<std::int64_t>(deps.alerts.Firing()));
        json.Key("alerts").BeginArray();
        for (std::size_t i = 0; i < std::min(found.size(), kListMax); ++i) {
          const LiveAlert& live = *found[i];
          json.BeginObject().Field("fingerprint", fmt::format("{:016x}", live.fingerprint));
          WriteLabels(json, live.alert.labels);
          json.Field(
              "quietAlready",
              deps.telling.QuietOf(live.fingerprint, live.alert.labels, now.wall).suppressed());
          json.EndObject();
        }
        return json.EndArray().EndObject().Take();
      });
  if (!body) return Refused(503, body.error().message);
  return JsonResponse(200, *body + "\n");
}

}  // namespace fettle::receivers
