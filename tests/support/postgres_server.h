// A real PostgreSQL, made for the tests: a scratch cluster in a directory of its own, listening on
// a port the kernel chose and on a Unix socket, in about a second. Its data is worth nothing, so it
// does not wait for the disk.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/secret.h"
#include "tests/support/child.h"
#include "tests/support/temp_dir.h"

namespace fettle {

class PostgresServer {
 public:
  struct Options {
    std::map<std::string, std::string> settings = {};  // as in postgresql.conf
  };
  static constexpr const char* kPassword = "s3cr:t/of tests";

  // Where the newest installed server's programs are ("/usr/lib/postgresql/15/bin").
  static std::string BinDir();
  // The one that all tests of a program may share; started at the first call.
  static PostgresServer& Shared();
  static std::unique_ptr<PostgresServer> Start(Options options);
  static std::unique_ptr<PostgresServer> Start() { return Start(Options{}); }
  // A streaming replica that uses the slot and gives it as its name.
  static std::unique_ptr<PostgresServer> StartStandbyOf(const PostgresServer& primary,
                                                        const std::string& slot);
  ~PostgresServer();

  // By the Unix socket, as superuser postgres, without a password.
  std::string Dsn(const std::string& database = "postgres") const;
  // By TCP, as the user "app" with kPassword.
  std::string PasswordDsn(const std::string& database = "postgres") const;
  int port() const { return port_; }
  std::string socket_dir() const { return dir_ / "socket"; }
  std::string data_dir() const { return dir_ / "data"; }

  // Runs statements by libpq as superuser; ends the test program if they fail.
  void Execute(const std::string& sql, const std::string& database = "postgres") const;
  std::string Value(const std::string& sql, const std::string& database = "postgres") const;
  // A fresh database with a name of its own.
  std::string CreateDatabase();

  // The whole server stops answering, or goes on.
  void Freeze();
  void Thaw();
  void Stop();
  void Restart();

 private:
  PostgresServer() = default;
  static std::unique_ptr<PostgresServer> Prepare();
  void Configure(std::map<std::string, std::string> settings);
  void Launch();

  TempDir dir_;
  int port_ = 0;
  int databases_ = 0;
  std::unique_ptr<Child> child_;
};

}  // namespace fettle
