#include "tests/support/radosgw.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "common/http_client.h"
#include "common/s3.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"
#include "tests/support/seeded_random.h"
#include "tests/support/wait.h"

namespace fettle {

Radosgw& Radosgw::Shared() {
  static const std::unique_ptr<Radosgw> server = Start();
  return *server;
}

// Its monitor must be told its ports before it starts, and somebody else may have them by then.
std::unique_ptr<Radosgw> Radosgw::Start() {
  constexpr int kTries = 3;
  for (int i = 0; i < kTries; ++i) {
    if (std::unique_ptr<Radosgw> server = Try()) return server;
  }
  std::abort();
}

std::unique_ptr<Radosgw> Radosgw::Try() {
  std::unique_ptr<Radosgw> server(new Radosgw);
  server->port_ = FreePort();
  int monitor = FreePort();
  while (Listens(monitor + 1) || monitor == server->port_ || monitor + 1 == server->port_) {
    monitor = FreePort();
  }
  const std::string dir = server->dir_ / "ceph";
  server->script_ =
      Child::Start({.argv = {std::string(FETTLE_SOURCE) + "/tests/support/radosgw-up", dir,
                             std::to_string(server->port_), std::to_string(monitor)},
                    .log_file = server->dir_ / "log"});
  const bool ready = WaitUntil(
      [&] { return std::filesystem::exists(dir + "/ready") || !server->script_->Running(); },
      std::chrono::seconds(60));
  if (ready && server->script_->Running()) return server;
  fmt::print(stderr, "test support: radosgw did not start: {}\n", server->script_->Log());
  return nullptr;
}

S3Connection Radosgw::Connection() const {
  S3Connection connection;
  connection.endpoint = endpoint();
  connection.access_key_id = Secret::FromText("TESTKEY");
  connection.secret_access_key = Secret::FromText("TESTSECRET");
  return connection;
}

std::string Radosgw::CreateBucket() {
  const SystemClock clock;
  SeededRandom random;
  Metrics metrics;
  RecordedLog log;
  HttpClient transport;
  S3 s3({.transport = transport,
         .clock = clock,
         .random = random,
         .metrics = metrics,
         .log = log.For("s3")},
        "support", Connection());
  const std::string name = fmt::format("bucket-{}", ++buckets_);
  if (const Status made = s3.CreateBucket(name); !made) {
    fmt::print(stderr, "test support: {}\n", made.error().message);
    std::abort();
  }
  return name;
}

void Radosgw::Signal(const std::string& server, int signal) const {
  const int pid = std::atoi(dir_.Read("ceph/run/" + server + ".pid").c_str());
  if (pid > 0) kill(pid, signal);
}

void Radosgw::KillGateway() {
  if (gateway_) {
    gateway_->Signal(SIGKILL);
    gateway_.reset();
  } else {
    Signal("gateway", SIGKILL);
  }
  WaitUntil([this] { return !Listens(port_); });
}

void Radosgw::RestartGateway() {
  gateway_ =
      Child::Start({.argv = {"radosgw", "-f", "-c", dir_ / "ceph/ceph.conf", "-n", "client.rgw"},
                    .log_file = dir_ / "log",
                    .end_signal = SIGKILL});
  WaitUntil([this] { return Listens(port_); });
}

int Radosgw::Admin(std::vector<std::string> words) const {
  std::vector<std::string> argv = {"radosgw-admin", "-c", dir_ / "ceph/ceph.conf", "-n",
                                   "client.rgw"};
  argv.insert(argv.end(), words.begin(), words.end());
  return Child::Run({.argv = argv, .log_file = dir_ / "log"});
}

}  // namespace fettle
