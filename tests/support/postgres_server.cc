#include "tests/support/postgres_server.h"

#include <dirent.h>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/wait.h"

namespace fettle {
namespace {

constexpr const char* kUser = "postgres";

[[noreturn]] void Give(const std::string& reason) {
  fmt::print(stderr, "test support: postgres: {}\n", reason);
  std::abort();
}

// The processes of a server: the postmaster and its children, for freezing.
std::vector<pid_t> Family(pid_t parent) {
  std::vector<pid_t> all{parent};
  std::ifstream in(fmt::format("/proc/{0}/task/{0}/children", parent));
  for (pid_t child = 0; in >> child;) all.push_back(child);
  return all;
}

}  // namespace

std::string PostgresServer::BinDir() {
  std::vector<int> versions;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
    versions.push_back(std::atoi(entry.path().filename().c_str()));
  }
  if (versions.empty()) Give("no server is installed below /usr/lib/postgresql");
  return fmt::format("/usr/lib/postgresql/{}/bin",
                     *std::max_element(versions.begin(), versions.end()));
}

PostgresServer& PostgresServer::Shared() {
  static const std::unique_ptr<PostgresServer> server = Start();
  return *server;
}

std::unique_ptr<PostgresServer> PostgresServer::Prepare() {
  std::unique_ptr<PostgresServer> server(new PostgresServer);
  std::filesystem::create_directory(server->socket_dir());
  chmod(server->dir_.path().c_str(), 0755);
  GiveTo(server->dir_.path(), kUser);
  GiveTo(server->socket_dir(), kUser);
  return server;
}

std::unique_ptr<PostgresServer> PostgresServer::Start(Options options) {
  std::unique_ptr<PostgresServer> server = Prepare();
  const int made =
      Child::Run({.argv = {BinDir() + "/initdb", "--pgdata=" + server->data_dir(),
                           "--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256",
                           "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"},
                  .log_file = server->dir_ / "log",
                  .user = kUser});
  if (made != 0) Give("initdb failed: " + server->dir_.Read("log"));
  server->Configure(std::move(options.settings));
  server->Launch();
  server->Execute(fmt::format("create role app login password '{}'", kPassword));
  return server;
}

std::unique_ptr<PostgresServer> PostgresServer::StartStandbyOf(const PostgresServer& primary,
                                                               const std::string& slot) {
  std::unique_ptr<PostgresServer> server = Prepare();
  const int made =
      Child::Run({.argv = {BinDir() + "/pg_basebackup", "--pgdata=" + server->data_dir(),
                           "--dbname=" + primary.Dsn(), "--write-recovery-conf", "--no-sync",
                           "--checkpoint=fast", "--wal-method=stream"},
                  .log_file = server->dir_ / "log",
                  .user = kUser});
  if (made != 0) Give("pg_basebackup failed: " + server->dir_.Read("log"));
  const std::string conninfo = fmt::format("host={} port={} user=postgres application_name={}",
                                           primary.socket_dir(), primary.port(), slot);
  server->Configure({{"primary_conninfo", conninfo}, {"primary_slot_name", slot}});
  server->Launch();
  return server;
}

void PostgresServer::Configure(std::map<std::string, std::string> more) {
  port_ = FreePort();
  std::map<std::string, std::string> settings = {
      {"fsync", "off"},
      {"full_page_writes", "off"},
      {"synchronous_commit", "off"},
      {"shared_buffers", "16MB"},
      {"max_wal_size", "256MB"},
      {"listen_addresses", "127.0.0.1"},
      {"unix_socket_directories", socket_dir()},
      {"port", std::to_string(port_)},
      {"log_min_messages", "warning"},
  };
  for (const auto& [name, value] : more) settings[name] = value;
  // The last of repeated settings counts.
  std::ofstream conf(data_dir() + "/postgresql.auto.conf", std::ios::app);
  for (const auto& [name, value] : settings) conf << name << " = '" << value << "'\n";
}

void PostgresServer::Launch() {
  child_ = Child::Start({.argv = {BinDir() + "/postgres", "-D", data_dir()},
                         .log_file = dir_ / "log",
                         .user = kUser,
                         .end_signal = SIGQUIT});
  const bool up =
      WaitUntil([this] { return PQping(Dsn().c_str()) == PQPING_OK || !child_->Running(); });
  if (!up || !child_->Running()) Give("it did not start: " + dir_.Read("log"));
}

PostgresServer::~PostgresServer() {
  if (child_) Thaw();
}

std::string PostgresServer::Dsn(const std::string& database) const {
  return fmt::format("host={} port={} user=postgres dbname={}", socket_dir(), port_, database);
}

std::string PostgresServer::PasswordDsn(const std::string& database) const {
  return fmt::format("host=127.0.0.1 port={} user=app password='{}' dbname={}", port_, kPassword,
                     database);
}

std::string PostgresServer::Value(const std::string& sql, const std::string& database) const {
  PGconn* connection = PQconnectdb(Dsn(database).c_str());
  PGresult* result = PQexec(connection, sql.c_str());
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    Give(sql + ": " + PQerrorMessage(connection));
  }
  std::string value = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
  PQclear(result);
  PQfinish(connection);
  return value;
}

void PostgresServer::Execute(const std::string& sql, const std::string& database) const {
  Value(sql, database);
}

std::string PostgresServer::CreateDatabase() {
  const std::string name = fmt::format("db{}", ++databases_);
  Execute("create database " + name);
  return name;
}

void PostgresServer::Freeze() {
  for (const pid_t pid : Family(child_->pid())) kill(pid, SIGSTOP);
}

void PostgresServer::Thaw() {
  for (const pid_t pid : Family(child_->pid())) kill(pid, SIGCONT);
}

void PostgresServer::Stop() {
  child_->Signal(SIGINT);
  child_->Wait(std::chrono::seconds(10));
  child_.reset();
}

void PostgresServer::Restart() {
  if (child_) Stop();
  Launch();
}

}  // namespace fettle
