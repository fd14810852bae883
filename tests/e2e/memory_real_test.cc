// How much memory the program takes when nothing goes wrong. Goal: a sidecar that nobody notices.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "tests/support/docker_daemon.h"
#include "tests/support/postgres_server.h"
#include "tests/support/program.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

constexpr double kIdleMiBMax = 25;

double ResidentMiB(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  }
  return -1;
}

// As deploy/fettle.example.yml: an engine, a database, a backup job, all shipped rules.
TEST(MemoryRealTest, AnIdleProgramIsSmall) {
#ifndef FETTLE_AS_SHIPPED
  GTEST_SKIP() << "the promise is the optimised program's: others carry shadows or twice the code";
#endif
  FETTLE_NEEDS_DOCKER();
  std::ifstream in(FETTLE_SOURCE "/deploy/fettle.example.yml");
  const std::string config{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const TempDir dir;
  const std::string alertmanager = dir.Write(
      "alertmanager.yml", "route: {receiver: team}\nreceivers: [{name: team}, {name: oncall}]\n");
  PostgresServer& server = PostgresServer::Shared();
  server.Execute("create table if not exists leads (id int)");
  Program program({.config = config,
                   .environment = {{"FETTLE_DOCKER", DockerDaemon::Shared()->Endpoint()},
                                   {"FETTLE_LEADS_DSN", server.Dsn()},
                                   {"FETTLE_ALERTMANAGER_YML", alertmanager},
                                   {"FETTLE_BACKUP_DIR", dir / "backups"}}});
  program.Start();
  // Everything has been looked at, and it is scraped once a second, which is oftener than anybody
  // does: it is idle, not under load.
  ASSERT_TRUE(WaitUntil([&] { return program.Metric("fettle_pg_up{target=\"leads\"}") == 1; }))
      << program.Log();
  for (int scrape = 0; scrape < 5; ++scrape) {
    const auto next = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    EXPECT_EQ(program.Get("/metrics").status, 200);
    ASSERT_TRUE(WaitUntil([&] { return std::chrono::steady_clock::now() > next; }));
  }
  const double resident = ResidentMiB(program.pid());
  RecordProperty("resident_mib", fmt::format("{:.1f}", resident));
  EXPECT_GT(resident, 1);
  EXPECT_LE(resident, kIdleMiBMax);
}

}  // namespace
}  // namespace fettle
