#include "tests/support/docker_daemon.h"

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>

#include "common/check.h"
#include "common/json.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

constexpr const char* kImage = "box:1";

std::string FirstOf(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

// One entry of a ustar archive: a directory ('5'), a symbolic link ('2') or a file ('0').
std::string TarEntry(const std::string& name, char type, const std::string& link,
                     const std::string& content) {
  std::string header(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) {
    header.replace(at, text.size(), text);
  };
  put(0, name);
  put(100, "0000755");
  put(108, "0000000");
  put(116, "0000000");
  put(124, fmt::format("{:011o}", content.size()));
  put(136, "00000000000");
  put(148, "        ");
  header[156] = type;
  put(157, link);
  put(257, std::string("ustar\0"
                       "00",
                       8));
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  std::string entry = header + content;
  entry.resize((entry.size() + 511) / 512 * 512, '\0');
  return entry;
}

std::string BusyboxTar(const std::string& busybox) {
  std::ifstream in(busybox, std::ios::binary);
  const std::string binary{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  std::string tar = TarEntry("bin/", '5', "", "") + TarEntry("bin/busybox", '0', "", binary);
  for (const char* name : {"sh", "sleep", "touch", "rm", "test", "cat", "echo", "kill", "true",
                           "false", "env", "ls", "head", "yes"}) {
    tar += TarEntry(std::string("bin/") + name, '2', "busybox", "");
  }
  return tar + TarEntry("tmp/", '5', "", "") + std::string(1024, '\0');
}

std::string CommandOf(const DockerBox& box) {
  const std::string trap = box.obeys_term ? "trap 'exit 0' TERM" : "trap '' TERM";
  return trap + "; touch /ok; while sleep 3600 & wait $!; do :; done";
}

std::string CreateBody(const DockerBox& box) {
  JsonWriter body;
  body.BeginObject().Field("Image", kImage);
  body.Key("Cmd").BeginArray();
  if (box.command.empty()) {
    body.String("/bin/sh").String("-c").String(CommandOf(box));
  } else {
    for (const std::string& word : box.command) body.String(word);
  }
  body.EndArray();
  body.Key("Labels").BeginObject();
  for (const auto& [key, value] : box.labels) body.Field(key, value);
  body.EndObject();
  if (box.health_check) {
    body.Key("Healthcheck").BeginObject().Key("Test").BeginArray();
    body.String("CMD").String("/bin/test").String("-f").String("/ok").EndArray();
    body.Key("Interval").Integer(box.interval.count() * 1'000'000);
    body.Key("Timeout").Integer(5'000'000'000);
    body.Key("Retries").Integer(box.retries).EndObject();
  }
  body.Key("HostConfig").BeginObject().Field("NetworkMode", box.network_mode);
  body.Field("AutoRemove", box.auto_remove);
  body.Key("RestartPolicy").BeginObject().Field("Name", box.restart_policy).EndObject();
  body.EndObject().EndObject();
  return body.Take();
}

// Whoever was started below the directory and outlived the engine: containerd's shims.
std::set<pid_t> ProcessesOf(const std::string& directory) {
  std::set<pid_t> pids;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream in(entry.path() / "cmdline", std::ios::binary);
    const std::string line{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (line.find(directory) != std::string::npos) pids.insert(std::stoi(name));
  }
  pids.erase(getpid());
  return pids;
}

}  // namespace

std::map<std::string, std::string> ComposeLabels(const std::string& project,
                                                 const std::string& service, int number) {
  return {{"com.docker.compose.project", project},
          {"com.docker.compose.service", service},
          {"com.docker.compose.container-number", std::to_string(number)}};
}

// ---- its life

struct DockerDaemon::Outcome {
  std::unique_ptr<DockerDaemon> daemon;
  std::string why_not;
};

const DockerDaemon::Outcome& DockerDaemon::TheOne() {
  static const Outcome outcome = [] {
    Outcome begun{std::unique_ptr<DockerDaemon>(new DockerDaemon), ""};
    begun.why_not = begun.daemon->Begin();
    if (!begun.why_not.empty()) begun.daemon.reset();
    return begun;
  }();
  return outcome;
}

DockerDaemon* DockerDaemon::Shared() { return TheOne().daemon.get(); }

std::string DockerDaemon::WhyNot() { return TheOne().why_not; }

std::string DockerDaemon::Begin() {
  if (geteuid() != 0) return "it needs root";
  Result<std::unique_ptr<DockerEngine>> engine = DockerEngine::Create(
      {http_, metrics_, log_.For("docker")}, {.name = "real", .endpoint = Endpoint()});
  FETTLE_CHECK(engine.has_value());
  engine_ = std::move(*engine);
  if (std::string why = Spawn(); !why.empty()) return why;
  if (std::string why = ImportImage(); !why.empty()) return why;
  // Whether containers run at all here, which a sandbox may forbid to an engine that itself runs.
  const HttpResponse created = Api("POST", "/containers/create?name=first-of-all",
                                   CreateBody({.name = "first-of-all", .health_check = false}));
  const HttpResponse started = Api("POST", "/containers/first-of-all/start");
  Api("DELETE", "/containers/first-of-all?force=1");
  if (created.status != 201 || started.status != 204) {
    return "it cannot run containers here: " + created.body + started.body;
  }
  FollowEvents();
  return "";
}

std::string DockerDaemon::Spawn() {
  const std::string dockerd = FirstOf({"/usr/sbin/dockerd", "/usr/bin/dockerd"});
  if (dockerd.empty()) return "dockerd is not installed";
  // Namespaces of its own, should it find a containerd of the system's.
  dir_.Write("daemon.json", "{}");  // not the system's
  const std::string space = "fettle-" + std::to_string(getpid());
  child_ = Child::Start(
      {.argv = {FETTLE_SOURCE "/deploy/scratch-engine", dir_.path(),
                "--config-file=" + dir_ / "daemon.json", "--containerd-namespace=" + space,
                "--containerd-plugins-namespace=" + space + "-plugins", "--shutdown-timeout=1"},
       .environment = {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
       .log_file = dir_ / "dockerd.log"});
  const bool up = WaitUntil([this] { return engine_->Ping().has_value() || !child_->Running(); },
                            std::chrono::seconds(60));
  if (up && child_->Running()) return "";
  const std::string log = child_->Log();
  child_.reset();
  return "dockerd does not start: " +
         log.substr(log.size() - std::min<std::size_t>(800, log.size()));
}

std::string DockerDaemon::ImportImage() {
  const std::string busybox = FirstOf({"/usr/bin/busybox", "/bin/busybox"});
  if (busybox.empty()) return "busybox-static is not installed";
  const HttpResponse imported =
      Api("POST", "/images/create?fromSrc=-&repo=box&tag=1", BusyboxTar(busybox));
  if (imported.status == 200) return "";
  return "the image cannot be imported: " + imported.body;
}

void DockerDaemon::FollowEvents() {
  follower_ = std::jthread([this](const std::stop_token& stop) {
    Time since{};
    while (!stop.stop_requested()) {
      const auto ready = [this] {
        const std::lock_guard lock(mutex_);
        following_ = true;
        changed_.notify_all();
      };
      (void)engine_->Follow(
          since, ready,
          [&](const EngineEvent& event) {
            const std::lock_guard lock(mutex_);
            since = event.at;
            const auto same = [&](const EngineEvent& other) {
              return other.at_ns == event.at_ns && other.action == event.action;
            };
            if (std::none_of(events_.begin(), events_.end(), same)) events_.push_back(event);
            changed_.notify_all();
          },
          stop);
      const std::lock_guard lock(mutex_);
      following_ = false;
    }
  });
  std::unique_lock lock(mutex_);
  FETTLE_CHECK(changed_.wait_for(lock, std::chrono::seconds(30), [this] { return following_; }));
}

void DockerDaemon::Kill() {
  child_->Signal(SIGKILL);
  FETTLE_CHECK(child_->Wait(std::chrono::seconds(10)).has_value());
  child_.reset();
}

void DockerDaemon::StartAgain() {
  // The killed one's containerd ends with it, though not at once; and where nobody reaps orphans,
  // the next engine would take the dead one's pid for a living containerd.
  WaitUntil([this] { return ProcessesOf(dir_ / "exec/containerd/containerd.toml").empty(); });
  std::error_code ignored;
  std::filesystem::remove(dir_ / "exec/containerd/containerd.pid", ignored);
  std::filesystem::remove(dir_ / "docker.pid", ignored);
  const std::string why = Spawn();
  if (!why.empty()) fmt::print(stderr, "test support: {}\n", why);
  FETTLE_CHECK(why.empty());
}

DockerDaemon::~DockerDaemon() {
  if (follower_.joinable()) {
    follower_.request_stop();
    follower_.join();
  }
  if (child_ != nullptr) {
    // By what was heard, not by a list: at the program's end the JSON reader may be gone.
    std::set<std::string> left;
    for (const EngineEvent& event : events_) {
      event.action == "destroy" ? left.erase(event.container_id)
                                : left.insert(event.container_id).second;
    }
    for (const std::string& id : left) Remove(id);
    child_->Signal(SIGTERM);
    (void)child_->Wait(std::chrono::seconds(20));
    child_.reset();
  }
  for (const pid_t pid : ProcessesOf(dir_.path())) kill(pid, SIGKILL);
  Unmount();
}

void DockerDaemon::Unmount() const {
  std::ifstream mounts("/proc/self/mounts");
  std::vector<std::string> points;
  for (std::string device, point, rest; mounts >> device >> point && std::getline(mounts, rest);) {
    if (point.starts_with(dir_.path())) points.push_back(point);
  }
  std::sort(points.rbegin(), points.rend());
  for (const std::string& point : points) umount2(point.c_str(), MNT_DETACH);
}

// ---- containers

HttpResponse DockerDaemon::Api(const std::string& method, const std::string& path,
                               const std::string& body) {
  HttpRequest request{.method = method, .url = "http://localhost/v1.41" + path};
  request.headers.Set("Content-Type",
                      path.starts_with("/images") ? "application/x-tar" : "application/json");
  request.body = body;
  HttpOptions options{.timeout = std::chrono::seconds(60)};
  options.unix_socket = Socket();
  options.fresh_connection = true;
  Result<HttpResponse> response = http_.Send(request, options);
  if (!response) return HttpResponse{.status = 0, .headers = {}, .body = response.error().message};
  return std::move(*response);
}

std::string DockerDaemon::Run(const DockerBox& box) {
  const HttpResponse created = Api("POST", "/containers/create?name=" + box.name, CreateBody(box));
  const Result<Json> json = Json::Parse(created.body);
  if (created.status != 201 || !json) {
    fmt::print(stderr, "test support: creating {}: {}\n", box.name, created.body);
  }
  FETTLE_CHECK(created.status == 201 && json);
  const std::string id = (*json)["Id"].StringOr("");
  if (box.start) {
    const Status started = engine_->Start(id);
    if (!started) fmt::print(stderr, "test support: {}\n", started.error().message);
    FETTLE_CHECK(started.has_value());
    FETTLE_CHECK(WaitForEvent(id, "start"));
    // Until it has set its trap: before, the kernel keeps TERM from a first process.
    const auto ready = [&] { return Exec(id, {"/bin/test", "-f", "/ok"}) == 0; };
    FETTLE_CHECK(!box.command.empty() || WaitUntil(ready, std::chrono::seconds(30)));
  }
  return id;
}

void DockerDaemon::Remove(const std::string& container) {
  Api("DELETE", "/containers/" + container + "?force=1&v=1");
}

int DockerDaemon::Exec(const std::string& container, const std::vector<std::string>& argv) {
  const Result<std::string> id = engine_->ExecCreate(container, argv);
  if (!id) return -1;
  const Result<ExecResult> result = engine_->ExecStart(*id, std::chrono::seconds(30));
  return result ? result->exit_code : -1;
}

void DockerDaemon::MakeUnhealthy(const std::string& container) {
  FETTLE_CHECK(Exec(container, {"/bin/rm", "-f", "/ok"}) == 0);
}

void DockerDaemon::MakeHealthy(const std::string& container) {
  FETTLE_CHECK(Exec(container, {"/bin/touch", "/ok"}) == 0);
}

void DockerDaemon::Pause(const std::string& container) {
  FETTLE_CHECK(Api("POST", "/containers/" + container + "/pause").status == 204);
}

void DockerDaemon::Unpause(const std::string& container) {
  FETTLE_CHECK(Api("POST", "/containers/" + container + "/unpause").status == 204);
}

void DockerDaemon::SomebodyStops(const std::string& container, int grace_s) {
  const int status =
      Api("POST", fmt::format("/containers/{}/stop?t={}", container, grace_s)).status;
  FETTLE_CHECK(status == 204 || status == 304);
}

// ---- events

std::vector<EngineEvent> DockerDaemon::EventsLocked(const std::string& container) const {
  std::vector<EngineEvent> found;
  for (const EngineEvent& event : events_) {
    const auto name = event.attributes.find("name");
    if (event.container_id == container ||
        (name != event.attributes.end() && name->second == container)) {
      found.push_back(event);
    }
  }
  return found;
}

std::vector<EngineEvent> DockerDaemon::Events(const std::string& container) const {
  const std::lock_guard lock(mutex_);
  return EventsLocked(container);
}

int DockerDaemon::CountLocked(const std::string& container, const std::string& action) const {
  const std::vector<EngineEvent> events = EventsLocked(container);
  return static_cast<int>(
      std::count_if(events.begin(), events.end(),
                    [&](const EngineEvent& event) { return event.action == action; }));
}

int DockerDaemon::Count(const std::string& container, const std::string& action) const {
  const std::lock_guard lock(mutex_);
  return CountLocked(container, action);
}

bool DockerDaemon::WaitForEvent(const std::string& container, const std::string& action, int nth,
                                std::chrono::milliseconds within) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, within, [&] { return CountLocked(container, action) >= nth; });
}

}  // namespace fettle
