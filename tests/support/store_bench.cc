#include "tests/support/store_bench.h"

#include <sqlite3.h>

#include <string>
#include <utility>

#include "common/check.h"
#include "common/postgres_store.h"
#include "common/sqlite_store.h"
#include "tests/support/memory_store.h"
#include "tests/support/postgres_server.h"
#include "tests/support/recorded_log.h"
#include "tests/support/temp_dir.h"

namespace fettle {
namespace {

class MemoryBench final : public StoreBench {
 public:
  explicit MemoryBench(const Clock& clock) : store_(clock) {}
  Store& store() override { return store_; }
  void Reopen() override {
    store_.Crash();
    store_.Restart();
  }
  void WhileNothingIsCommitted(const std::function<void()>& work) override {
    store_.HoldCommits();
    work();
    store_.ReleaseCommits();
  }
  void Tamper(std::int64_t seq, const std::string& body) override {
    store_.TamperForTest(seq, body);
  }
  void DropNewestAudit() override { store_.DropNewestAuditForTest(); }

 private:
  MemoryStore store_;
};

// Somebody else with the file open.
class Intruder {
 public:
  explicit Intruder(const std::string& path) {
    FETTLE_CHECK(sqlite3_open(path.c_str(), &connection_) == SQLITE_OK);
  }
  ~Intruder() { sqlite3_close(connection_); }
  Intruder(const Intruder&) = delete;
  Intruder& operator=(const Intruder&) = delete;
  void Run(const std::string& sql) {
    FETTLE_CHECK(sqlite3_exec(connection_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  }

 private:
  sqlite3* connection_ = nullptr;
};

class SqliteBench final : public StoreBench {
 public:
  explicit SqliteBench(const Clock& clock) : clock_(clock) { Reopen(); }
  Store& store() override { return *store_; }
  void Reopen() override {
    store_.reset();
    auto opened =
        SqliteStore::Open({clock_, metrics_, log_.For("store")}, {.directory = directory_.path()});
    FETTLE_CHECK(opened.has_value());
    store_ = std::move(*opened);
  }
  void WhileNothingIsCommitted(const std::function<void()>& work) override {
    Intruder intruder(Path());
    intruder.Run("BEGIN IMMEDIATE");
    work();
    intruder.Run("ROLLBACK");
  }
  void Tamper(std::int64_t seq, const std::string& body) override {
    Intruder(Path()).Run(fmt::format("UPDATE audit SET body='{}' WHERE seq={}", body, seq));
  }
  void DropNewestAudit() override {
    Intruder(Path()).Run("DELETE FROM audit WHERE seq=(SELECT max(seq) FROM audit)");
  }

 private:
  std::string Path() const { return directory_ / "fettle.db"; }

  const Clock& clock_;
  TempDir directory_;
  Metrics metrics_;
  RecordedLog log_;
  std::unique_ptr<SqliteStore> store_;
};

class PostgresBench final : public StoreBench {
 public:
  explicit PostgresBench(const Clock& clock)
      : clock_(clock), database_(PostgresServer::Shared().CreateDatabase()) {
    Reopen();
  }
  Store& store() override { return *store_; }
  void Reopen() override {
    store_.reset();
    auto opened = PostgresStore::Open(
        {clock_, random_, metrics_, log_.For("store")},
        {.dsn = Secret::FromText(PostgresServer::Shared().Dsn(database_)), .id = "bench"});
    FETTLE_CHECK(opened.has_value());
    store_ = std::move(*opened);
  }
  void WhileNothingIsCommitted(const std::function<void()>& work) override {
    auto intruder = Postgres::Connect(Secret::FromText(PostgresServer::Shared().Dsn(database_)),
                                      Millis(10'000));
    FETTLE_CHECK(intruder.has_value());
    for (const char* sql : {"BEGIN", "SELECT seq FROM fettle_feed FOR UPDATE"}) {
      FETTLE_CHECK(intruder->Query(sql, {}, Millis(5'000)).has_value());
    }
    work();
    FETTLE_CHECK(intruder->Query("ROLLBACK", {}, Millis(5'000)).has_value());
  }
  void Tamper(std::int64_t seq, const std::string& body) override {
    Run(fmt::format("UPDATE fettle_audit SET body='{}' WHERE seq={}", body, seq));
  }
  void DropNewestAudit() override {
    Run("DELETE FROM fettle_audit WHERE seq=(SELECT max(seq) FROM fettle_audit)");
  }

 private:
  void Run(const std::string& sql) { PostgresServer::Shared().Execute(sql, database_); }

  const Clock& clock_;
  const std::string database_;
  SystemRandom random_;
  Metrics metrics_;
  RecordedLog log_;
  std::unique_ptr<PostgresStore> store_;
};

}  // namespace

std::vector<std::string> StoreBenches() { return {"Memory", "Sqlite"}; }

std::unique_ptr<StoreBench> MakeStoreBench(const std::string& kind, const Clock& clock) {
  if (kind == "Memory") return std::make_unique<MemoryBench>(clock);
  if (kind == "Sqlite") return std::make_unique<SqliteBench>(clock);
  if (kind == "Postgres") return std::make_unique<PostgresBench>(clock);
  return nullptr;
}

}  // namespace fettle
