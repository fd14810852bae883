#include "common/docker_wire.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "common/duration.h"
#include "common/json.h"

namespace fettle::docker {
namespace {

constexpr std::size_t kJsonMax = 16 * 1024 * 1024;
constexpr std::size_t kErrorTextMax = 300;
constexpr std::size_t kFrameHeader = 8;

int ToInt(const Json& json) {
  const std::int64_t value = json.IntegerOr(0);
  return static_cast<int>(std::clamp<std::int64_t>(value, std::numeric_limits<int>::min(),
                                                   std::numeric_limits<int>::max()));
}

std::map<std::string, std::string> Texts(const Json& object) {
  std::map<std::string, std::string> texts;
  for (const auto& [key, value] : object.Entries()) {
    if (value.IsString()) texts.emplace(key, *value.String());
  }
  return texts;
}

ContainerState StateOf(const Json& state) {
  static const std::map<std::string, ContainerState, std::less<>> kNames = {
      {"created", ContainerState::kCreated},
      {"configured", ContainerState::kCreated},
      {"initialized", ContainerState::kCreated},
      {"running", ContainerState::kRunning},
      {"stopping", ContainerState::kRunning},
      {"paused", ContainerState::kPaused},
      {"restarting", ContainerState::kRestarting},
      {"removing", ContainerState::kRemoving},
      {"exited", ContainerState::kExited},
      {"stopped", ContainerState::kExited},
      {"dead", ContainerState::kDead}};
  const auto named = kNames.find(state["Status"].StringOr(""));
  if (named != kNames.end()) return named->second;
  if (state["Dead"].BoolOr(false)) return ContainerState::kDead;
  if (state["Paused"].BoolOr(false)) return ContainerState::kPaused;
  if (state["Restarting"].BoolOr(false)) return ContainerState::kRestarting;
  return state["Running"].BoolOr(false) ? ContainerState::kRunning : ContainerState::kExited;
}

ContainerHealth HealthOf(const Json& health) {
  const std::string status = health["Status"].StringOr("");
  if (status == "starting") return ContainerHealth::kStarting;
  if (status == "healthy") return ContainerHealth::kHealthy;
  if (status == "unhealthy") return ContainerHealth::kUnhealthy;
  return ContainerHealth::kNone;
}

Time TimeOf(const std::string& text) {
  const Result<Time> time = ParseRfc3339(text);
  return time ? *time : Time{};
}

std::string LastOutput(const Json& health) {
  const std::vector<Json> log = health["Log"].Items();
  if (log.empty()) return "";
  std::string output = log.back()["Output"].StringOr("");
  if (output.size() > kHealthOutputMax) output.erase(0, output.size() - kHealthOutputMax);
  return output;
}

// Page cache counts as usage for the kernel; `docker stats` takes off what can be dropped.
double MemoryOf(const Json& memory) {
  const double usage = memory["usage"].NumberOr(0);
  for (const char* cache : {"total_inactive_file", "inactive_file"}) {
    const std::optional<double> bytes = memory["stats"][cache].Number();
    if (bytes && *bytes < usage) return usage - *bytes;
  }
  return usage;
}

// "8080/tcp": its number; 0 if it is none.
int PortOf(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end != text.data() ? port : 0;
}

void ReadNetwork(const Json& settings, Container& container) {
  for (const auto& [name, network] : settings["Networks"].Entries()) {
    container.networks.push_back(
        {name, network["NetworkID"].StringOr(""), network["IPAddress"].StringOr("")});
  }
  for (const auto& [name, bindings] : settings["Ports"].Entries()) {
    Container::Port port{.private_port = PortOf(name), .tcp = name.ends_with("/tcp")};
    const std::vector<Json> published = bindings.Items();
    if (published.empty()) container.ports.push_back(port);
    for (const Json& one : published) {
      port.public_port = PortOf(one["HostPort"].StringOr(""));
      port.public_ip = one["HostIp"].StringOr("");
      container.ports.push_back(port);
    }
  }
}

}  // namespace

Result<Container> ParseInspect(std::string_view json) {
  const Result<Json> parsed = Json::Parse(json, kJsonMax);
  if (!parsed) return While("reading an inspect answer", parsed.error());
  const Json& root = *parsed;
  const Json state = root["State"];
  Container container;
  container.id = root["Id"].StringOr("");
  if (container.id.empty() || !state.IsObject()) {
    return Fail(Cause::kInvalid, "reading an inspect answer: it has no Id or no State");
  }
  container.name = root["Name"].StringOr("");
  if (container.name.starts_with('/')) container.name.erase(0, 1);
  const Json config = root["Config"];
  container.image = config["Image"].StringOr("");
  container.labels = Texts(config["Labels"]);
  container.stop_signal = config["StopSignal"].StringOr("");
  if (config["StopTimeout"].IsNumber()) container.stop_timeout_s = ToInt(config["StopTimeout"]);
  container.state = StateOf(state);
  container.health = HealthOf(state["Health"]);
  container.failing_streak = ToInt(state["Health"]["FailingStreak"]);
  container.last_health_output = LastOutput(state["Health"]);
  container.exit_code = ToInt(state["ExitCode"]);
  container.oom_killed = state["OOMKilled"].BoolOr(false);
  container.pid = state["Pid"].IntegerOr(0);
  container.started_at_raw = state["StartedAt"].StringOr("");
  container.finished_at_raw = state["FinishedAt"].StringOr("");
  container.started_at = TimeOf(container.started_at_raw);
  container.finished_at = TimeOf(container.finished_at_raw);
  container.restart_count = ToInt(root["RestartCount"]);
  const Json host = root["HostConfig"];
  container.auto_remove = host["AutoRemove"].BoolOr(false);
  container.restart_policy = host["RestartPolicy"]["Name"].StringOr("");
  container.network_mode = host["NetworkMode"].StringOr("");
  ReadNetwork(root["NetworkSettings"], container);
  return container;
}

Result<std::vector<EngineNetwork>> ParseNetworks(std::string_view json) {
  const Result<Json> parsed = Json::Parse(json, kJsonMax);
  if (!parsed) return While("reading a list of networks", parsed.error());
  if (!parsed->IsArray()) return Fail(Cause::kInvalid, "reading a list of networks: it is no list");
  std::vector<EngineNetwork> networks;
  for (const Json& item : parsed->Items()) {
    networks.push_back({.id = item["Id"].StringOr(""),
                        .name = item["Name"].StringOr(""),
                        .scope = item["Scope"].StringOr(""),
                        .internal = item["Internal"].BoolOr(false),
                        .ingress = item["Ingress"].BoolOr(false),
                        .labels = Texts(item["Labels"])});
  }
  return networks;
}

Result<std::vector<std::string>> ParseIds(std::string_view json) {
  const Result<Json> parsed = Json::Parse(json, kJsonMax);
  if (!parsed) return While("reading a container list", parsed.error());
  if (!parsed->IsArray()) return Fail(Cause::kInvalid, "reading a container list: it is no list");
  std::vector<std::string> ids;
  for (const Json& item : parsed->Items()) {
    std::string id = item["Id"].StringOr("");
    if (id.empty()) return Fail(Cause::kInvalid, "reading a container list: an item has no Id");
    ids.push_back(std::move(id));
  }
  return ids;
}

Result<ContainerStats> ParseStats(std::string_view json) {
  const Result<Json> parsed = Json::Parse(json, kJsonMax);
  if (!parsed) return While("reading a stats answer", parsed.error());
  const Json& root = *parsed;
  const std::optional<double> usage = root["memory_stats"]["usage"].Number();
  const std::optional<double> cpu_ns = root["cpu_stats"]["cpu_usage"]["total_usage"].Number();
  if (!root.IsObject() || !cpu_ns) {
    return Fail(Cause::kInvalid, "reading a stats answer: it has no cpu_stats");
  }
  if (!usage && *cpu_ns == 0) return Fail(Cause::kConflict, "the container does not run");
  ContainerStats stats;
  stats.cpu_seconds = *cpu_ns * 1e-9;
  stats.memory_bytes = MemoryOf(root["memory_stats"]);
  stats.memory_limit_bytes = root["memory_stats"]["limit"].NumberOr(0);
  return stats;
}

Result<EngineEvent> ParseEvent(std::string_view json) {
  const Result<Json> parsed = Json::Parse(json, kJsonMax);
  if (!parsed) return While("reading an engine event", parsed.error());
  const Json& root = *parsed;
  const std::string type = root["Type"].StringOr("container");
  if (type != "container") return Fail(Cause::kNotFound, "an event of a {}", type);
  EngineEvent event;
  event.action = root["Action"].StringOr(root["status"].StringOr(""));
  event.container_id = root["Actor"]["ID"].StringOr(root["id"].StringOr(""));
  if (event.action.empty() || event.container_id.empty()) {
    return Fail(Cause::kInvalid, "reading an engine event: it has no action or no container");
  }
  event.attributes = Texts(root["Actor"]["Attributes"]);
  if (event.action == "health_status" && root["HealthStatus"].IsString()) {
    event.action += ": " + *root["HealthStatus"].String();
  }
  if (event.action == "died") {
    event.action = "die";
    const auto exit_code = event.attributes.find("containerExitCode");
    if (exit_code != event.attributes.end()) event.attributes["exitCode"] = exit_code->second;
  }
  if (event.action == "remove") event.action = "destroy";
  // Beyond the year 2262 nanoseconds overflow; such a time is nonsense anyhow.
  const std::int64_t seconds =
      std::clamp<std::int64_t>(root["time"].IntegerOr(0), 0, 9'000'000'000);
  event.at_ns = std::max<std::int64_t>(0, root["timeNano"].IntegerOr(seconds * 1'000'000'000));
  event.at = TimeFromMillis(event.at_ns / 1'000'000);
  return event;
}

std::string ErrorText(std::string_view body) {
  std::string text;
  if (const Result<Json> parsed = Json::Parse(body, kJsonMax); parsed) {
    text = (*parsed)["message"].StringOr("");
  } else if (const std::size_t start = body.find_first_not_of(" \r\n\t");
             start != std::string_view::npos && body[start] != '<') {
    text = body.substr(start, kErrorTextMax);
  }
  text = text.substr(0, kErrorTextMax);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

void JsonLines::Feed(std::string_view piece, const std::function<void(std::string_view)>& on_text) {
  constexpr std::string_view kEnds = "\n\x1e";
  while (!piece.empty()) {
    const std::size_t end = piece.find_first_of(kEnds);
    const std::string_view part = piece.substr(0, end);
    if (!skipping_ && rest_.size() + part.size() > kTextMax) {
      skipping_ = true;
      ++skipped_;
      rest_.clear();
    }
    if (!skipping_) rest_ += part;
    if (end == std::string_view::npos) return;
    if (!skipping_ && rest_.find_first_not_of(" \r\t") != std::string::npos) on_text(rest_);
    rest_.clear();
    skipping_ = false;
    piece.remove_prefix(end + 1);
  }
}

void LogTail::Feed(std::string_view piece) {
  while (!piece.empty()) {
    if (!framed_) return Keep(piece);
    if (frame_left_ > 0) {
      const std::string_view text = piece.substr(0, frame_left_);
      Keep(text);
      frame_left_ -= text.size();
      piece.remove_prefix(text.size());
      continue;
    }
    const std::string_view more = piece.substr(0, kFrameHeader - header_.size());
    header_ += more;
    piece.remove_prefix(more.size());
    if (!decided_ && header_.size() >= 4) {
      decided_ = true;
      framed_ = static_cast<unsigned char>(header_[0]) <= 3 &&
                header_.compare(1, 3, std::string(3, '\0')) == 0;
      if (!framed_) {
        Keep(header_);
        continue;
      }
    }
    if (header_.size() < kFrameHeader) continue;
    for (std::size_t i = 4; i < kFrameHeader; ++i) {
      frame_left_ = (frame_left_ << 8U) | static_cast<unsigned char>(header_[i]);
    }
    header_.clear();
  }
}

void LogTail::Keep(std::string_view text) {
  if (text.size() > bytes_max_) text.remove_prefix(text.size() - bytes_max_);
  kept_ += text;
  if (kept_.size() > 2 * bytes_max_) kept_.erase(0, kept_.size() - bytes_max_);
}

std::string LogTail::Take() {
  if (!decided_) Keep(header_);  // shorter than any frame
  if (kept_.size() > bytes_max_) kept_.erase(0, kept_.size() - bytes_max_);
  return std::move(kept_);
}

}  // namespace fettle::docker
