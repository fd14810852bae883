// The lists of API v2: alerts, one by one and in their groups.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "receivers/api/api.h"

namespace fettle::receivers {
namespace {

// go-openapi's: anything else is false.
bool ReadBool(const HttpRequest& request, const char* name) {
  static constexpr std::array kTrue = {"true", "1",        "yes",     "ok", "y",
                                       "on",   "selected", "checked", "t",  "enabled"};
  std::optional<std::string> text = request.Query(name);
  if (!text) return true;
  std::transform(text->begin(), text->end(), text->begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(kTrue.begin(), kTrue.end(), *text) != kTrue.end();
}

// Alertmanager's: a filter with an empty value also takes what it would not match by presence.
bool Passes(const Matchers& filter, const Labels& labels) {
  return std::all_of(filter.begin(), filter.end(), [&](const Matcher& matcher) {
    const bool negative =
        matcher.type() == Matcher::Type::kNotEqual || matcher.type() == Matcher::Type::kNotRegexp;
    if (matcher.value().empty() && labels.Has(matcher.name()) == negative) return true;
    return matcher.Matches(labels);
  });
}

HttpResponse Busy(const Error& error) {
  HttpResponse response = ApiError{503, 0, error.message}.ToResponse();
  response.headers.Set("Retry-After", "1");
  return response;
}

}  // namespace

struct Api::Filter {
  Matchers matchers;
  std::optional<Matcher> receiver;
  Matchers receiver_matchers;
  bool active = true;
  bool silenced = true;
  bool inhibited = true;
  bool muted = true;
  Time now;

  bool WantsReceiver(const Plan* plan, const std::string& name) const {
    if (receiver && !receiver->Matches(name)) return false;
    if (receiver_matchers.empty()) return true;
    const ReceiverConfig* config = plan == nullptr ? nullptr : plan->config.FindReceiver(name);
    return config != nullptr && MatchAll(receiver_matchers, config->labels);
  }
  bool WantsAnyOf(const Plan* plan, const std::vector<std::string>& names) const {
    if (!receiver && receiver_matchers.empty()) return true;
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) { return WantsReceiver(plan, name); });
  }
  bool Wants(const QuietState& quiet) const {
    if (!active && !quiet.suppressed()) return false;
    if (!silenced && !quiet.silenced_by.empty()) return false;
    return inhibited || !quiet.inhibited_by;
  }
};

ApiResult<Api::Filter> Api::ReadFilter(const HttpRequest& request) const {
  Filter filter;
  const auto invalid = [](std::string why) {
    return tl::unexpected<ApiError>({400, 0, std::move(why)});
  };
  for (const std::string& text : request.QueryAll("filter")) {
    Result<Matcher> matcher = ReadFilterMatcher(text, options_.syntax);
    if (!matcher) return invalid(matcher.error().message);
    filter.matchers.push_back(*std::move(matcher));
  }
  if (const std::optional<std::string> receiver = request.Query("receiver")) {
    Result<Matcher> matcher = Matcher::Make(Matcher::Type::kRegexp, "name", *receiver);
    if (!matcher) {
      return invalid("failed to parse receiver param: " +
                     AnchoredAsAlertmanagers(matcher.error().message));
    }
    filter.receiver = *std::move(matcher);
  }
  for (const std::string& text : request.QueryAll("receiver_matchers")) {
    Result<Matcher> matcher = ReadFilterMatcher(text, options_.syntax);
    if (!matcher) {
      return invalid("failed to parse receiver_matchers param: " + matcher.error().message);
    }
    filter.receiver_matchers.push_back(*std::move(matcher));
  }
  filter.active = ReadBool(request, "active");
  filter.silenced = ReadBool(request, "silenced");
  filter.inhibited = ReadBool(request, "inhibited");
  filter.muted = ReadBool(request, "muted");
  filter.now = deps_.clock.Now().wall;
  return filter;
}

// Whatever the brain is asked holds its own: it may come to it after nobody waits any more.
Result<bool> Api::Judge(const Filter& filter, std::vector<AlertView>& views) {
  for (std::size_t begin = 0; begin < views.size(); begin += kAskedAtOnceMax) {
    const std::size_t end = std::min(views.size(), begin + kAskedAtOnceMax);
    std::vector<std::shared_ptr<const LiveAlert>> asked;
    for (std::size_t i = begin; i < end; ++i) asked.push_back(views[i].live);
    Result<std::vector<QuietState>> judged = deps_.brain.Call(
        options_.answer_within,
        [&telling = deps_.telling, asked = std::move(asked), now = filter.now](const Moment&) {
          std::vector<QuietState> states;
          states.reserve(asked.size());
          for (const auto& live : asked) {
            states.push_back(telling.QuietOf(live->fingerprint, live->alert.labels, now));
          }
          return states;
        });
    if (!judged) return tl::unexpected<Error>(judged.error());
    for (std::size_t i = begin; i < end; ++i) views[i].quiet = std::move((*judged)[i - begin]);
  }
  return true;
}

ApiResult<std::vector<AlertView>> Api::Wanted(const Filter& filter) {
  const auto busy = [](const Error& error) {
    return tl::unexpected<ApiError>({503, 0, error.message});
  };
  struct Seen {
    std::optional<std::vector<std::shared_ptr<const LiveAlert>>> few;
    std::shared_ptr<const AlertsSnapshot> all;
    std::shared_ptr<const Plan> plan;
  };
  const auto seen =
      deps_.brain.Call(options_.answer_within, [this, matchers = filter.matchers](const Moment&) {
        Seen s{deps_.alerts.Among(matchers), nullptr, deps_.telling.PlanInForce()};
        if (!s.few) s.all = deps_.alerts.Snapshot();
        return s;
      });
  if (!seen) return busy(seen.error());
  const Plan* plan = seen->plan.get();
  std::vector<AlertView> views;
  for (const auto& live : seen->few ? *seen->few : seen->all->alerts) {
    if (live->alert.ends_at < filter.now || !Passes(filter.matchers, live->alert.labels)) continue;
    AlertView view{live, {}, {}};
    if (plan != nullptr) {
      for (const receivers::Route* route : plan->routes->Match(live->alert.labels)) {
        view.receivers.push_back(route->receiver);
      }
    }
    if (filter.WantsAnyOf(plan, view.receivers)) views.push_back(std::move(view));
  }
  if (const Result<bool> judged = Judge(filter, views); !judged) return busy(judged.error());
  std::erase_if(views, [&](const AlertView& view) { return !filter.Wants(view.quiet); });
  return views;
}

void Api::Count() {
  (void)deps_.brain.Call(options_.answer_within, [this](const Moment& now) {
    CountNow(now);
    return true;
  });
}

void Api::CountNow(const Moment& now) {
  const std::uint64_t version = deps_.alerts.version() + deps_.telling.silences().version();
  if (version != counted_version_ && now.boot >= counted_at_ + kCountEvery) {
    counted_version_ = version;
    counted_at_ = now.boot;
    suppressed_ = 0;
    for (const auto& live : deps_.alerts.Snapshot()->alerts) {
      if (live->alert.ResolvedAt(now.wall)) continue;
      if (deps_.telling.QuietOf(live->fingerprint, live->alert.labels, now.wall).suppressed()) {
        ++suppressed_;
      }
    }
  }
  const std::size_t firing = deps_.alerts.Firing();
  const std::size_t suppressed = std::min(suppressed_, firing);
  const auto count = [this](const char* name, const char* help, const char* state, std::size_t n) {
    deps_.metrics.Gauge(name, help, {{"state", state}}).Set(static_cast<double>(n));
  };
  const char* const alerts_help = "How many alerts by state.";
  count("alertmanager_alerts", alerts_help, "active", firing - suppressed);
  count("alertmanager_alerts", alerts_help, "suppressed", suppressed);
  count("alertmanager_alerts", alerts_help, "unprocessed", 0);
  std::array<std::size_t, 3> silences{};
  for (const auto& silence : deps_.telling.silences().All()) {
    ++silences[static_cast<std::size_t>(silence->StateAt(now.wall))];
  }
  for (const Silence::State state :
       {Silence::State::kPending, Silence::State::kActive, Silence::State::kExpired}) {
    count("alertmanager_silences", "How many silences by state.", ToString(state).data(),
          silences[static_cast<std::size_t>(state)]);
  }
}

HttpResponse Api::GetAlerts(const HttpRequest& request) {
  const ApiResult<Filter> filter = ReadFilter(request);
  if (!filter) return filter.error().ToResponse();
  const ApiResult<std::vector<AlertView>> views = Wanted(*filter);
  if (!views) return Busy(Error{views.error().message, Cause::kUnavailable});
  std::string body = "[";
  for (const AlertView& view : *views) {
    if (body.size() > 1) body += ',';
    AppendAlert(body, view, {});
  }
  body += "]\n";
  return JsonResponse(200, std::move(body));
}

namespace {

// A group as it is shown.
struct GroupAnswer {
  const Labels* labels = nullptr;
  const std::string* receiver = nullptr;
  std::vector<std::string> muted_by;
  std::vector<const AlertView*> alerts;
};

void SortAsTold(std::vector<const AlertView*>& alerts) {
  std::vector<NotifiedAlert> order;
  std::map<const LiveAlert*, const AlertView*> by_alert;
  for (const AlertView* view : alerts) {
    order.push_back({view->live, false});
    by_alert[view->live.get()] = view;
  }
  SortAlerts(order);
  for (std::size_t i = 0; i < order.size(); ++i) alerts[i] = by_alert.at(order[i].live.get());
}

std::string Write(const std::vector<GroupAnswer>& groups) {
  std::string body = "[";
  for (const GroupAnswer& group : groups) {
    if (body.size() > 1) body += ',';
    body += "{\"alerts\":[";
    for (const AlertView* view : group.alerts) {
      if (view != group.alerts.front()) body += ',';
      AppendAlert(body, *view, group.muted_by);
    }
    JsonWriter rest(JsonWriter::Options{.escape_html = true});
    rest.BeginObject().Key("labels").BeginObject();
    for (const auto& [name, value] : *group.labels) rest.Field(name, value);
    rest.EndObject().Key("receiver").BeginObject().Field("name", *group.receiver);
    rest.EndObject().EndObject();
    body += "],";
    body += rest.Take().substr(1);
  }
  return body + "]\n";
}

}  // namespace

HttpResponse Api::GetGroups(const HttpRequest& request) {
  const ApiResult<Filter> filter = ReadFilter(request);
  if (!filter) return filter.error().ToResponse();
  struct Seen {
    std::vector<Dispatcher::GroupView> groups;
    std::vector<std::vector<std::string>> muted_by;
    std::shared_ptr<const Plan> plan;
  };
  const auto seen =
      deps_.brain.Call(options_.answer_within, [this, now = filter->now](const Moment&) {
        Seen s{deps_.telling.Groups(), {}, deps_.telling.PlanInForce()};
        for (const auto& group : s.groups) {
          s.muted_by.push_back(deps_.telling.MutedBy(*group.route, now));
        }
        return s;
      });
  if (!seen) return Busy(seen.error());

  // An alert may be in several groups; its receivers are those of all of them that are wanted.
  std::map<std::uint64_t, std::size_t> place;
  std::vector<AlertView> views;
  std::vector<std::size_t> wanted;
  for (std::size_t i = 0; i < seen->groups.size(); ++i) {
    const Dispatcher::GroupView& group = seen->groups[i];
    if (!filter->WantsReceiver(seen->plan.get(), group.route->receiver)) continue;
    if (!filter->muted && !seen->muted_by[i].empty()) continue;
    wanted.push_back(i);
    for (const auto& live : group.alerts) {
      if (live->alert.ends_at < filter->now) continue;
      if (!Passes(filter->matchers, live->alert.labels)) continue;
      const auto [at, fresh] = place.emplace(live->fingerprint, views.size());
      if (fresh) views.push_back({live, {}, {}});
      std::vector<std::string>& receivers = views[at->second].receivers;
      if (std::find(receivers.begin(), receivers.end(), group.route->receiver) == receivers.end()) {
        receivers.push_back(group.route->receiver);
      }
    }
  }
  if (const Result<bool> judged = Judge(*filter, views); !judged) return Busy(judged.error());
  for (AlertView& view : views) std::sort(view.receivers.begin(), view.receivers.end());

  std::vector<GroupAnswer> answers;
  for (const std::size_t i : wanted) {
    const Dispatcher::GroupView& group = seen->groups[i];
    GroupAnswer answer{&group.labels, &group.route->receiver, seen->muted_by[i], {}};
    for (const auto& live : group.alerts) {
      const auto at = place.find(live->fingerprint);
      if (at == place.end() || live->alert.ends_at < filter->now) continue;
      const AlertView& view = views[at->second];
      if (filter->Wants(view.quiet)) answer.alerts.push_back(&view);
    }
    if (answer.alerts.empty()) continue;
    SortAsTold(answer.alerts);
    answers.push_back(std::move(answer));
  }
  std::stable_sort(answers.begin(), answers.end(), [](const GroupAnswer& a, const GroupAnswer& b) {
    if (*a.labels != *b.labels) return LabelsBefore(*a.labels, *b.labels);
    return *a.receiver < *b.receiver;
  });
  return JsonResponse(200, Write(answers));
}

}  // namespace fettle::receivers
