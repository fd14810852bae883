#include "tests/support/mariadb_server.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "common/process.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

constexpr const char* kUser = "nobody";  // mariadbd refuses to be root

}  // namespace

MariadbServer& MariadbServer::Shared() {
  static const std::unique_ptr<MariadbServer> server = Start();
  return *server;
}

std::unique_ptr<MariadbServer> MariadbServer::Start() {
  std::unique_ptr<MariadbServer> server(new MariadbServer);
  const std::string data = server->dir_ / "data";
  std::filesystem::create_directories(data);
  GiveTo(server->dir_.path(), kUser);
  GiveTo(data, kUser);
  const int made =
      Child::Run({.argv = {"mariadb-install-db", "--no-defaults", "--datadir=" + data,
                           "--auth-root-authentication-method=normal", "--skip-test-db"},
                  .log_file = server->dir_ / "install.log",
                  .user = kUser});
  if (made != 0) {
    fmt::print(stderr, "test support: mariadb-install-db ended with {}\n", made);
    std::abort();
  }
  server->port_ = FreePort();
  server->child_ = Child::Start(
      {.argv = {"mariadbd", "--no-defaults", "--datadir=" + data, "--socket=" + server->socket(),
                "--port=" + std::to_string(server->port_), "--bind-address=127.0.0.1",
                "--pid-file=" + (server->dir_ / "pid"), "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=32M"},
       .log_file = server->dir_ / "log",
       .user = kUser});
  if (!WaitUntil([&] { return Listens(server->port_) || !server->child_->Running(); },
                 std::chrono::seconds(30)) ||
      !server->child_->Running()) {
    fmt::print(stderr, "test support: mariadbd did not start: {}\n", server->child_->Log());
    std::abort();
  }
  server->Execute(fmt::format("create user app@'%' identified by '{}'; grant all on *.* to app@'%'",
                              kPassword));
  return server;
}

std::string MariadbServer::Value(const std::string& sql) const {
  const Result<ProcessResult> ran =
      RunProcess({.argv = {"mariadb", "--no-defaults", "--socket=" + socket(), "--user=root",
                           "--batch", "--skip-column-names"},
                  .standard_input = sql});
  if (!ran || !ran->succeeded()) {
    fmt::print(stderr, "test support: {}: {}\n", sql, ran ? ran->Describe() : ran.error().message);
    std::abort();
  }
  return ran->output.substr(0, ran->output.find('\n'));
}

void MariadbServer::Execute(const std::string& sql) const { Value(sql); }

}  // namespace fettle
