// One connection to PostgreSQL (libpq stays inside postgres.cc). Blocks; one thread at a time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "common/secret.h"

namespace fettle {

// Every value as PostgreSQL's text form; nullopt is NULL.
struct PostgresRows {
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;
};

// The connection as libpq's environment variables (PGHOST, PGPASSWORD, …), for its programs: what
// is in argv, everybody on the machine can read.
Result<std::map<std::string, std::string>> PostgresEnvironment(const Secret& dsn);

class Postgres {
 public:
  static constexpr std::size_t kRowsMax = 100'000;
  // Of all values of one answer together; beyond it kLimit.
  static constexpr std::size_t kAnswerBytesMax = 64 * 1024 * 1024;
  // Connects within the timeout. Errors never hold the password.
  static Result<Postgres> Connect(const Secret& dsn, Millis timeout);
  Postgres(Postgres&&) noexcept;
  Postgres& operator=(Postgres&&) noexcept;
  ~Postgres();

  // One statement with $1… parameters. At the deadline the server is told to cancel, and the answer
  // is kTimeout at most a second later. More than `rows_max` rows is kLimit.
  Result<PostgresRows> Query(const std::string& sql, const std::vector<std::string>& parameters,
                             Millis timeout, std::size_t rows_max = kRowsMax,
                             std::size_t bytes_max = kAnswerBytesMax);
  // Waits until `wake_fd` can be read, or another session has sent a NOTIFY on what this one
  // listens to (true), or the time is over. kUnavailable if the connection broke.
  Result<bool> WaitForNotice(int wake_fd, Millis timeout);
  // 150018 is 15.18.
  int ServerVersion() const;

 private:
  struct Impl;
  explicit Postgres(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle
