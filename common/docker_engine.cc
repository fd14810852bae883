#include "common/docker_engine.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <condition_variable>
#include <map>
#include <utility>

#include "common/docker_wire.h"
#include "common/json.h"

namespace fettle {
namespace {

constexpr Millis kLogsTimeout{10'000};
constexpr Millis kExecPoll{20};
constexpr std::size_t kErrorBodyMax = 4 * 1024;

bool Succeeded(int status) { return (status >= 200 && status < 300) || status == 304; }

// Only what the followers care for: a reader of exec_* events loses the rest (the engine keeps 256
// events). "died" and "remove" are Podman's words.
constexpr const char* kEventFilters =
    R"({"type":["container"],"event":["create","start","restart","stop","kill","die","died","oom",)"
    R"("pause","unpause","health_status","rename","update","destroy","remove"]})";

Result<int> MinorOf(std::string_view version) {
  int minor = 0;
  if (version.starts_with("1.")) {
    const std::string_view text = version.substr(2);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), minor);
    if (error == std::errc() && end == text.data() + text.size()) return minor;
  }
  return Fail(Cause::kInvalid, "the engine speaks API version \"{}\", which is none we know",
              version.substr(0, 32));
}

// "client version 1.51 is too old. Minimum supported API version is 1.60, …"; "… too new. Maximum
// supported API version is 1.41".
std::optional<std::string> VersionAskedFor(std::string_view body) {
  constexpr std::string_view kPhrase = "API version is ";
  const std::string text = docker::ErrorText(body);
  const std::size_t at = text.find(kPhrase);
  if (at == std::string::npos) return std::nullopt;
  std::string version = text.substr(at + kPhrase.size());
  version = version.substr(0, version.find_first_not_of("0123456789."));
  while (version.ends_with('.')) version.pop_back();
  if (!MinorOf(version)) return std::nullopt;
  return version;
}

Cause CauseOf(int status, std::string_view text) {
  switch (status) {
    case 400:
      return Cause::kInvalid;
    case 401:
    case 403:
      return Cause::kDenied;
    case 404:
      return Cause::kNotFound;
    case 409:
      return Cause::kConflict;
    case 502:
    case 503:
    case 504:
      return Cause::kUnavailable;
    default:
      // Podman's word for what Docker calls a conflict.
      return text.find("state improper") != std::string_view::npos ? Cause::kConflict
                                                                   : Cause::kFailed;
  }
}

std::string_view ResultName(const Status& status) {
  if (status) return "ok";
  switch (status.error().cause) {
    case Cause::kNotFound:
      return "not_found";
    case Cause::kConflict:
      return "conflict";
    case Cause::kDenied:
      return "denied";
    case Cause::kTimeout:
      return "timeout";
    case Cause::kUnavailable:
      return "unavailable";
    default:
      return "failed";
  }
}

// What a container or exec may be called. Anything else cannot exist, and never reaches a path.
bool IsName(std::string_view id) {
  constexpr std::size_t kNameMax = 255;
  if (id.empty() || id.size() > kNameMax || !std::isalnum(static_cast<unsigned char>(id[0]))) {
    return false;
  }
  return std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
  });
}

std::string ContainerPath(const std::string& id, std::string_view rest) {
  return "/containers/" + PercentEncode(id) + std::string(rest);
}

// `sleep` for who must ask again: nothing tells when an exec is over.
void Pause(Millis duration) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, duration, [] { return false; });
}

}  // namespace

struct DockerEngine::Counters {
  Counters(Metrics& metrics, std::string name)
      : metrics_(metrics),
        engine(std::move(name)),
        unreadable(metrics.Counter("fettle_engine_unreadable_events_total",
                                   "Texts in an engine's event stream that were not understood.",
                                   {{"engine", engine}})) {}

  void Count(const char* call, const Status& outcome) {
    metrics_
        .Counter("fettle_engine_calls_total", "Calls to a container engine, by their outcome.",
                 {{"engine", engine}, {"call", call}, {"result", std::string(ResultName(outcome))}})
        .Increment();
  }

  Metrics& metrics_;
  const std::string engine;
  prometheus::Counter& unreadable;
};

Result<std::unique_ptr<DockerEngine>> DockerEngine::Create(Deps deps, Options options) {
  constexpr std::string_view kUnix = "unix://";
  constexpr std::string_view kTcp = "tcp://";
  std::string endpoint = options.endpoint;
  std::string socket;
  if (endpoint.starts_with(kUnix) && endpoint.size() > kUnix.size() &&
      endpoint[kUnix.size()] == '/') {
    socket = endpoint.substr(kUnix.size());
    endpoint = "http://localhost";
  } else if (endpoint.starts_with(kTcp) && endpoint.size() > kTcp.size()) {
    endpoint = "http://" + endpoint.substr(kTcp.size());
  } else if (!endpoint.starts_with("http://") && !endpoint.starts_with("https://")) {
    return Fail(Cause::kInvalid,
                "the endpoint \"{}\" is not unix:///path, tcp://host:port, http:// or https://",
                options.endpoint);
  }
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return std::unique_ptr<DockerEngine>(new DockerEngine(std::move(deps), std::move(options),
                                                        std::move(endpoint), std::move(socket)));
}

DockerEngine::DockerEngine(Deps deps, Options options, std::string base_url, std::string socket)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      base_url_(std::move(base_url)),
      socket_(std::move(socket)),
      counters_(std::make_unique<Counters>(deps_.metrics, options_.name)) {}

DockerEngine::~DockerEngine() = default;

// ---- the way there

HttpOptions DockerEngine::Routed(HttpOptions options) const {
  options.unix_socket = socket_;
  options.tls = options_.tls;
  options.connect_timeout = kLookTimeout;
  options.body_bytes_max = kAnswerBytesMax;
  options.fresh_connection = options.fresh_connection || distrust_;
  return options;
}

Result<std::string> DockerEngine::Negotiate() {
  const auto look = [&](const std::string& path) -> Result<HttpResponse> {
    const HttpRequest request{.method = "GET", .url = base_url_ + path};
    Result<HttpResponse> response =
        deps_.http.Send(request, Routed(HttpOptions{.timeout = kLookTimeout}));
    if (!response || Succeeded(response->status)) return response;
    const std::string text = docker::ErrorText(response->body);
    return Fail(CauseOf(response->status, text), "GET {} is answered with {}{}{}", path,
                response->status, text.empty() ? "" : ": ", text);
  };
  Result<HttpResponse> ping = look("/_ping");
  if (!ping) return tl::unexpected<Error>(ping.error());
  podman_ = ping->headers.Has("Libpod-Api-Version");
  std::string version(ping->headers.Get("Api-Version"));
  if (version.empty()) {  // a proxy that drops headers
    Result<HttpResponse> answer = look("/version");
    if (!answer) return tl::unexpected<Error>(answer.error());
    const Result<Json> json = Json::Parse(answer->body, kAnswerBytesMax);
    if (!json) return While("reading the engine's version", json.error());
    version = (*json)["ApiVersion"].StringOr("");
  }
  const Result<int> minor = MinorOf(version);
  if (!minor) return tl::unexpected<Error>(minor.error());
  if (*minor < kVersionMin) {
    return Fail(Cause::kInvalid, "the engine speaks API 1.{}, at least 1.{} is needed", *minor,
                kVersionMin);
  }
  return fmt::format("1.{}", std::min(*minor, kVersionMax));
}

Result<std::string> DockerEngine::Version() {
  {
    const std::lock_guard lock(mutex_);
    if (version_) return *version_;
  }
  Result<std::string> version = Negotiate();
  if (!version) return version;
  const std::lock_guard lock(mutex_);
  version_ = *version;
  return version;
}

void DockerEngine::ForgetVersion() {
  const std::lock_guard lock(mutex_);
  version_.reset();
}

Result<HttpResponse> DockerEngine::SendOnce(const Call& call, const std::string& version) {
  HttpRequest request{.method = call.method, .url = base_url_ + "/v" + version + call.path};
  if (call.method == "POST") request.headers.Set("Content-Type", "application/json");
  request.body = call.body;
  HttpOptions options = Routed(call.options);
  options.fresh_connection = options.fresh_connection || call.acts;
  // Of a stream, only a success is the caller's; a refusal is read here like any other.
  int status = 0;
  std::string refusal;
  if (call.options.on_body) {
    options.on_head = [&](const HttpResponse& head) {
      status = head.status;
      return !Succeeded(status) || !call.options.on_head || call.options.on_head(head);
    };
    options.on_body = [&](std::string_view piece) {
      if (Succeeded(status)) return call.options.on_body(piece);
      refusal += piece.substr(0, kErrorBodyMax - std::min(refusal.size(), kErrorBodyMax));
      return true;
    };
  }
  bool sent = false;
  options.on_sending = [&sent] { sent = true; };
  Result<HttpResponse> response = deps_.http.Send(request, options);
  if (!response) {
    Error error = response.error();
    if (error.cause == Cause::kTimeout) distrust_ = true;
    if (error.cause == Cause::kUnavailable) ForgetVersion();
    if (call.acts && error.cause == Cause::kTimeout && !sent) error.cause = Cause::kUnavailable;
    if (call.acts && error.cause == Cause::kUnavailable && sent) error.cause = Cause::kTimeout;
    return tl::unexpected<Error>(std::move(error));
  }
  distrust_ = false;
  if (call.options.on_body) response->body = std::move(refusal);
  return response;
}

Result<HttpResponse> DockerEngine::Send(Call call) {
  const auto send = [&]() -> Result<HttpResponse> {
    if (call.id && !IsName(*call.id)) {
      return Fail(Cause::kNotFound, "\"{}\" is no name of a container or command",
                  call.id->substr(0, 64));
    }
    Result<std::string> version = Version();
    if (!version) {
      Error error = version.error();
      // What was to be done has not been sent.
      if (error.cause == Cause::kTimeout) error.cause = Cause::kUnavailable;
      return tl::unexpected<Error>(std::move(error));
    }
    Result<HttpResponse> response = SendOnce(call, *version);
    if (response && response->status == 400) {
      if (const std::optional<std::string> other = VersionAskedFor(response->body); other) {
        {
          const std::lock_guard lock(mutex_);
          version_ = other;
        }
        response = SendOnce(call, *other);
      }
    }
    if (!response || Succeeded(response->status)) return response;
    const std::string text = docker::ErrorText(response->body);
    const Cause cause = CauseOf(response->status, text);
    if (cause == Cause::kDenied) {
      return Fail(cause, "{} {} is forbidden, perhaps by a socket proxy ({}{}{})", call.method,
                  call.path.substr(0, call.path.find('?')), response->status,
                  text.empty() ? "" : ": ", text);
    }
    return Fail(cause, "the engine answers {}{}{}", response->status, text.empty() ? "" : ": ",
                text);
  };
  Result<HttpResponse> response = send();
  counters_->Count(call.name, response ? Status{} : tl::unexpected<Error>(response.error()));
  if (!response) return While(call.intention, response.error());
  return response;
}

// ---- looking

Status DockerEngine::Ping() {
  const Result<std::string> version = Negotiate();
  const Status status = version ? Status{} : tl::unexpected<Error>(version.error());
  counters_->Count("ping", status);
  if (!status) {
    ForgetVersion();
    return While("asking engine " + options_.name, status.error());
  }
  const std::lock_guard lock(mutex_);
  version_ = *version;
  return {};
}

Result<std::vector<Container>> DockerEngine::List(const std::vector<std::string>& label_filters) {
  std::string path = "/containers/json?all=1";
  if (!label_filters.empty()) {
    JsonWriter filters;
    filters.BeginObject().Key("label").BeginArray();
    for (const std::string& filter : label_filters) filters.String(filter);
    filters.EndArray().EndObject();
    path += "&filters=" + PercentEncode(filters.Take());
  }
  const std::string intention = "listing containers of engine " + options_.name;
  Result<HttpResponse> response = Send(
      {.name = "list", .intention = intention, .path = path, .options = {.timeout = kLookTimeout}});
  if (!response) return tl::unexpected<Error>(response.error());
  const Result<std::vector<std::string>> ids = docker::ParseIds(response->body);
  if (!ids) return While(intention, ids.error());
  if (ids->size() > kContainersMax) {
    return Fail(Cause::kLimit, "{}: there are {}, at most {} are looked after", intention,
                ids->size(), kContainersMax);
  }
  std::vector<Container> containers;
  containers.reserve(ids->size());
  for (const std::string& id : *ids) {
    Result<Container> container = Inspect(id);
    if (container) {
      containers.push_back(std::move(*container));
    } else if (container.error().cause != Cause::kNotFound) {  // gone since the list
      return tl::unexpected<Error>(container.error());
    }
  }
  return containers;
}

Result<Container> DockerEngine::Inspect(const std::string& id) {
  Call call{.name = "inspect",
            .intention = "inspecting " + id,
            .path = ContainerPath(id, "/json"),
            .id = id,
            .options = {.timeout = kLookTimeout}};
  Result<HttpResponse> response = Send(std::move(call));
  if (!response) return tl::unexpected<Error>(response.error());
  Result<Container> container = docker::ParseInspect(response->body);
  if (!container) return While("inspecting " + id, container.error());
  return container;
}

Result<ContainerStats> DockerEngine::Stats(const std::string& id) {
  // Before 1.41 one-shot is ignored, and the engine takes two seconds to answer.
  Call call{.name = "stats",
            .intention = "reading the stats of " + id,
            .path = ContainerPath(id, "/stats?stream=false&one-shot=true"),
            .id = id,
            .options = {.timeout = kLookTimeout}};
  Result<HttpResponse> response = Send(std::move(call));
  if (!response) return tl::unexpected<Error>(response.error());
  Result<ContainerStats> stats = docker::ParseStats(response->body);
  if (!stats) return While("reading the stats of " + id, stats.error());
  return stats;
}

Result<std::vector<EngineNetwork>> DockerEngine::Networks() {
  const std::string intention = "listing networks of engine " + options_.name;
  Result<HttpResponse> response = Send({.name = "networks",
                                        .intention = intention,
                                        .path = "/networks",
                                        .options = {.timeout = kLookTimeout}});
  if (!response) return tl::unexpected<Error>(response.error());
  auto networks = docker::ParseNetworks(response->body);
  if (!networks) return While(intention, networks.error());
  return networks;
}

Result<std::string> DockerEngine::Logs(const std::string& id, int tail_lines,
                                       std::size_t bytes_max) {
  docker::LogTail tail(bytes_max);
  HttpOptions options{.timeout = kLogsTimeout};
  options.on_body = [&](std::string_view piece) {
    tail.Feed(piece);
    return true;
  };
  Call call{.name = "logs",
            .intention = "reading the logs of " + id,
            .path = ContainerPath(
                id, fmt::format("/logs?stdout=1&stderr=1&tail={}", std::max(0, tail_lines))),
            .id = id,
            .options = std::move(options)};
  Result<HttpResponse> response = Send(std::move(call));
  if (!response) return tl::unexpected<Error>(response.error());
  return tail.Take();
}

// ---- acting

Status DockerEngine::CheckGrace(const std::string& intention, int stop_timeout_s) const {
  if (stop_timeout_s >= 0 && stop_timeout_s <= kStopTimeoutMax) return {};
  return Fail(Cause::kInvalid, "{}: a grace period of {} s is not between 0 and {}", intention,
              stop_timeout_s, kStopTimeoutMax);
}

Status DockerEngine::Act(const char* name, std::string intention, const std::string& id,
                         std::string_view rest, Millis timeout) {
  Result<HttpResponse> response = Send({.name = name,
                                        .intention = std::move(intention),
                                        .method = "POST",
                                        .path = ContainerPath(id, rest),
                                        .id = id,
                                        .acts = true,
                                        .options = {.timeout = timeout}});
  if (!response) return tl::unexpected<Error>(response.error());
  return {};
}

Status DockerEngine::Restart(const std::string& id, int stop_timeout_s) {
  const std::string intention = "restarting " + id;
  if (Status status = CheckGrace(intention, stop_timeout_s); !status) return status;
  // Without t, Podman kills at once.
  return Act("restart", intention, id, fmt::format("/restart?t={}", stop_timeout_s),
             std::chrono::seconds(stop_timeout_s) + kActMargin);
}

Status DockerEngine::Start(const std::string& id) {
  return Act("start", "starting " + id, id, "/start", kActMargin);
}

Status DockerEngine::Stop(const std::string& id, int stop_timeout_s) {
  const std::string intention = "stopping " + id;
  if (Status status = CheckGrace(intention, stop_timeout_s); !status) return status;
  return Act("stop", intention, id, fmt::format("/stop?t={}", stop_timeout_s),
             std::chrono::seconds(stop_timeout_s) + kActMargin);
}

Status DockerEngine::Kill(const std::string& id, const std::string& signal) {
  return Act("kill", fmt::format("sending {} to {}", signal, id), id,
             "/kill?signal=" + PercentEncode(signal), kActMargin);
}

Result<std::string> DockerEngine::ExecCreate(const std::string& id,
                                             const std::vector<std::string>& argv) {
  const std::string intention = "preparing a command in " + id;
  JsonWriter body;
  body.BeginObject().Field("AttachStdout", true).Field("AttachStderr", true);
  body.Key("Cmd").BeginArray();
  for (const std::string& word : argv) body.String(word);
  body.EndArray().EndObject();
  Call call{.name = "exec_create",
            .intention = intention,
            .method = "POST",
            .path = ContainerPath(id, "/exec"),
            .id = id,
            .body = body.Take(),
            .acts = true,
            .options = {.timeout = kLookTimeout}};
  Result<HttpResponse> response = Send(std::move(call));
  if (!response) return tl::unexpected<Error>(response.error());
  const Result<Json> json = Json::Parse(response->body, kAnswerBytesMax);
  if (!json) return While(intention, json.error());
  std::string exec_id = (*json)["Id"].StringOr("");
  if (exec_id.empty()) return Fail(Cause::kInvalid, "{}: the answer has no Id", intention);
  return exec_id;
}

Result<ExecResult> DockerEngine::ExecStart(const std::string& exec_id, Millis timeout) {
  const std::string intention = "running command " + exec_id;
  docker::LogTail tail(kExecOutputMax);
  HttpOptions options{.timeout = timeout};
  options.on_body = [&](std::string_view piece) {
    tail.Feed(piece);
    return true;
  };
  Call call{.name = "exec_start",
            .intention = intention,
            .method = "POST",
            .path = "/exec/" + PercentEncode(exec_id) + "/start",
            .id = exec_id,
            .body = R"({"Detach":false,"Tty":false})",
            .acts = true,
            .options = std::move(options)};
  Result<HttpResponse> response = Send(std::move(call));
  if (!response) return tl::unexpected<Error>(response.error());
  // The output may end a moment before the process does, or long before.
  for (Millis waited{0};; waited += kExecPoll) {
    Result<ExecState> state = ExecInspect(exec_id);
    if (!state) return While(intention, state.error());
    if (!state->running && state->exit_code) {
      return ExecResult{exec_id, *state->exit_code, tail.Take()};
    }
    if (waited >= timeout) return Fail(Cause::kTimeout, "{}: it still runs", intention);
    Pause(kExecPoll);
  }
}

Result<Engine::ExecState> DockerEngine::ExecInspect(const std::string& exec_id) {
  const std::string intention = "looking at command " + exec_id;
  Call call{.name = "exec_inspect",
            .intention = intention,
            .path = "/exec/" + PercentEncode(exec_id) + "/json",
            .id = exec_id,
            .options = {.timeout = kLookTimeout}};
  Result<HttpResponse> response = Send(std::move(call));
  if (!response) return tl::unexpected<Error>(response.error());
  const Result<Json> json = Json::Parse(response->body, kAnswerBytesMax);
  if (!json) return While(intention, json.error());
  ExecState state;
  state.running = (*json)["Running"].BoolOr(false);
  if (const std::optional<std::int64_t> code = (*json)["ExitCode"].Integer(); code) {
    state.exit_code = static_cast<int>(*code);
  }
  return state;
}

// ---- following

Status DockerEngine::Follow(Time since, const std::function<void()>& ready,
                            const std::function<void(const EngineEvent&)>& on_event,
                            std::stop_token stop) {
  docker::JsonLines lines;
  std::size_t skipped = 0;
  std::map<std::string, std::string> health;  // what Podman said last of each container
  const auto take = [&](std::string_view text) {
    const Result<EngineEvent> event = docker::ParseEvent(text);
    if (!event) {
      if (event.error().cause != Cause::kNotFound) counters_->unreadable.Increment();
      return;
    }
    if (podman_) {  // older ones tell the health after every check, changed or not
      if (!event->action.starts_with("health_status")) {
        health.erase(event->container_id);
      } else if (std::exchange(health[event->container_id], event->action) == event->action) {
        return;
      }
      if (health.size() > kContainersMax) health.clear();
    }
    on_event(*event);
  };
  bool subscribed = false;
  HttpOptions options{.timeout = Millis(0)};
  options.fresh_connection = true;
  options.idle_timeout = kSilenceMax;
  options.stop = stop;
  options.on_head = [&](const HttpResponse&) {
    subscribed = true;
    ready();
    return true;
  };
  options.on_body = [&](std::string_view piece) {
    lines.Feed(piece, take);
    counters_->unreadable.Increment(static_cast<double>(lines.skipped() - skipped));
    skipped = lines.skipped();
    return !stop.stop_requested();
  };
  std::string path = "/events?filters=" + PercentEncode(kEventFilters);
  if (since != Time{}) {
    path += fmt::format("&since={}.{:03}000000", ToMillis(since) / 1000, ToMillis(since) % 1000);
  }
  const std::string intention = "following the events of engine " + options_.name;
  Result<HttpResponse> response =
      Send({.name = "follow", .intention = intention, .path = path, .options = std::move(options)});
  if (stop.stop_requested()) return {};
  if (response) return Fail(Cause::kUnavailable, "{}: the stream ended", intention);
  if (subscribed && response.error().cause == Cause::kTimeout) return {};  // kSilenceMax
  return tl::unexpected<Error>(response.error());
}

}  // namespace fettle
