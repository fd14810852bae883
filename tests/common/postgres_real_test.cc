// The PostgreSQL client against a real server. Goal: every way a server can fail us comes back as a
// cause and a sentence within the deadline, without the password, and what can go on goes on.
#include <gtest/gtest.h>

#include "common/deadline.h"
#include "common/postgres.h"
#include "tests/support/child.h"
#include "tests/support/postgres_server.h"

namespace fettle {
namespace {

Postgres Connected(const std::string& dsn) {
  Result<Postgres> connection = Postgres::Connect(Secret::FromText(dsn), Millis(10'000));
  EXPECT_TRUE(connection.has_value()) << connection.error().message;
  return *std::move(connection);
}

Error FailureOf(const std::string& dsn, Millis timeout = Millis(10'000)) {
  const Result<Postgres> connection = Postgres::Connect(Secret::FromText(dsn), timeout);
  EXPECT_FALSE(connection.has_value());
  return connection ? Error{} : connection.error();
}

PostgresServer& Server() { return PostgresServer::Shared(); }

TEST(PostgresTest, AnswersWithColumnsRowsAndNulls) {
  Postgres db = Connected(Server().Dsn());
  EXPECT_GE(db.ServerVersion(), 130000);
  const auto rows = db.Query(
      "select 1 as one, null as nothing, '' as empty, $1::text || '!' as said "
      "union all select 2, 'x', 'y', $2 order by 1",
      {"hello", "bye"}, Millis(5'000));
  ASSERT_TRUE(rows.has_value()) << rows.error().message;
  EXPECT_EQ(rows->columns, (std::vector<std::string>{"one", "nothing", "empty", "said"}));
  ASSERT_EQ(rows->rows.size(), 2U);
  EXPECT_EQ(rows->rows[0][0], "1");
  EXPECT_EQ(rows->rows[0][1], std::nullopt);
  EXPECT_EQ(rows->rows[0][2], "");
  EXPECT_EQ(rows->rows[0][3], "hello!");
  EXPECT_EQ(rows->rows[1][3], "bye");
}

TEST(PostgresTest, ConnectsByNameAndPasswordOverTcp) {
  Postgres db = Connected(Server().PasswordDsn());
  EXPECT_EQ(db.Query("select current_user", {}, Millis(5'000))->rows[0][0], "app");
  const std::string by_name =
      "postgresql://app:s3cr%3At%2Fof%20tests@localhost:" + std::to_string(Server().port()) +
      "/postgres";
  Postgres named = Connected(by_name);
  EXPECT_EQ(
      named.Query("select current_setting('application_name')", {}, Millis(5'000))->rows[0][0],
      "fettle");
}

TEST(PostgresTest, NamesTheCauseOfARefusedConnection) {
  std::string wrong = Server().PasswordDsn();
  wrong.replace(wrong.find(PostgresServer::kPassword), 5, "wrong");
  const Error denied = FailureOf(wrong);
  EXPECT_EQ(denied.cause, Cause::kDenied);
  EXPECT_NE(denied.message.find("password authentication failed for user \"app\""),
            std::string::npos)
      << denied.message;
  EXPECT_EQ(denied.message.find("28P01"), std::string::npos) << denied.message;
  EXPECT_EQ(denied.message.find('\n'), std::string::npos);

  EXPECT_EQ(FailureOf(Server().Dsn("no_such_db")).cause, Cause::kNotFound);
  const std::string closed = "host=127.0.0.1 user=x port=" + std::to_string(FreePort());
  const Error refused = FailureOf(closed);
  EXPECT_EQ(refused.cause, Cause::kUnavailable);
  EXPECT_NE(refused.message.find("Connection refused"), std::string::npos) << refused.message;
  EXPECT_EQ(FailureOf("host=no-such-host.invalid", Millis(20'000)).message.substr(0, 24),
            "connecting to postgres: ");
}

TEST(PostgresTest, NeverRepeatsThePassword) {
  const std::vector<std::string> dsns = {
      "host=127.0.0.1 port=1 user=u password=hunter2secret dbname=d",
      "postgresql://u:hunter2secret@127.0.0.1:1/d",
      "postgresql://u:hunter2secret@127.0.0.1:port/d",
      "postgresql://u:hunter2secret@[::1/d",
      "host=127.0.0.1 password=hunter2secret port=1 hunter2secret",
      "password='hunter2secret",
      "hunter2secret",
      Server().PasswordDsn("hunter2secret") + " password=hunter2secret",
  };
  for (const std::string& dsn : dsns) {
    const Error error = FailureOf(dsn, Millis(5'000));
    EXPECT_FALSE(error.message.empty());
    EXPECT_EQ(error.message.find("hunter2secret"), std::string::npos) << error.message;
  }
  EXPECT_EQ(FailureOf("hunter2secret").cause, Cause::kInvalid);
}

TEST(PostgresTest, TellsAMissingDsnFileByItsPath) {
  const auto connection = Postgres::Connect(Secret::FromFile("/no/such/dsn"), Millis(1'000));
  ASSERT_FALSE(connection.has_value());
  EXPECT_NE(connection.error().message.find("/no/such/dsn"), std::string::npos);
}

TEST(PostgresTest, CancelsAStatementAtItsDeadlineAndGoesOn) {
  Postgres db = Connected(Server().Dsn());
  const Deadline soon(Millis(5'000));
  const auto slept = db.Query("select pg_sleep(60), 'sleeper'", {}, Millis(150));
  ASSERT_FALSE(slept.has_value());
  EXPECT_FALSE(soon.Passed());
  EXPECT_EQ(slept.error().cause, Cause::kTimeout);
  EXPECT_EQ(slept.error().message,
            "querying postgres: no answer within 150 ms; it was told to stop");
  // The server has stopped indeed, and the connection is still of use.
  EXPECT_EQ(Server().Value("select count(*) from pg_stat_activity where state = 'active' and "
                           "query like '%sleeper%' and pid <> pg_backend_pid()"),
            "0");
  for (int i = 0; i < 20; ++i) {
    const auto next = db.Query("select $1::int", {std::to_string(i)}, Millis(5'000));
    ASSERT_TRUE(next.has_value()) << next.error().message;
    EXPECT_EQ(next->rows[0][0], std::to_string(i));
  }
}

TEST(PostgresTest, RefusesMoreRowsThanAskedForAndGoesOn) {
  Postgres db = Connected(Server().Dsn());
  const auto exact = db.Query("select generate_series(1, 10)", {}, Millis(5'000), 10);
  ASSERT_TRUE(exact.has_value()) << exact.error().message;
  EXPECT_EQ(exact->rows.size(), 10U);
  const auto many = db.Query("select generate_series(1, 100000000)", {}, Millis(5'000), 10);
  ASSERT_FALSE(many.has_value());
  EXPECT_EQ(many.error().cause, Cause::kLimit);
  EXPECT_EQ(many.error().message, "querying postgres: the answer has more than 10 rows");
  EXPECT_EQ(db.Query("select 7", {}, Millis(5'000))->rows[0][0], "7");
  const auto wide =
      db.Query("select repeat('x', 1000000) from generate_series(1, 100)", {}, Millis(20'000));
  ASSERT_FALSE(wide.has_value());
  EXPECT_EQ(wide.error().cause, Cause::kLimit);
}

TEST(PostgresTest, SortsTheServersErrorsByWhatHelps) {
  Postgres db = Connected(Server().Dsn());
  const std::vector<std::pair<std::string, Cause>> table = {
      {"selec 1", Cause::kInvalid},
      {"select * from no_such_table", Cause::kNotFound},
      {"select 1/0", Cause::kInvalid},
      {"select no_such_column", Cause::kInvalid},
      {"select 1; select 2", Cause::kInvalid},
      {"copy (select 1) to stdout", Cause::kInvalid},
      {"do $$ begin raise exception 'no'; end $$", Cause::kFailed},
  };
  for (const auto& [sql, cause] : table) {
    Postgres fresh = Connected(Server().Dsn());
    const auto rows = fresh.Query(sql, {}, Millis(5'000));
    ASSERT_FALSE(rows.has_value()) << sql;
    EXPECT_EQ(rows.error().cause, cause) << sql << ": " << rows.error().message;
  }
  EXPECT_EQ(Connected(Server().PasswordDsn())
                .Query("select pg_read_file('/etc/passwd')", {}, Millis(5'000))
                .error()
                .cause,
            Cause::kDenied);
}

TEST(PostgresTest, NoticesAServerThatHangsUpOrStandsStill) {
  const auto server = PostgresServer::Start();
  Postgres db = Connected(server->Dsn());
  server->Execute(
      "select pg_terminate_backend(pid) from pg_stat_activity where "
      "application_name = 'fettle'");
  const auto gone = db.Query("select 1", {}, Millis(5'000));
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().cause, Cause::kUnavailable);
  EXPECT_EQ(db.Query("select 1", {}, Millis(5'000)).error().cause, Cause::kUnavailable);

  Postgres frozen = Connected(server->Dsn());
  server->Freeze();
  const Deadline soon(Millis(8'000));
  EXPECT_EQ(frozen.Query("select 1", {}, Millis(200)).error().cause, Cause::kTimeout);
  EXPECT_EQ(FailureOf(server->PasswordDsn(), Millis(200)).cause, Cause::kTimeout);
  EXPECT_FALSE(soon.Passed());
  EXPECT_EQ(frozen.Query("select 1", {}, Millis(200)).error().cause, Cause::kUnavailable);
  server->Thaw();
  EXPECT_EQ(Connected(server->Dsn()).Query("select 1", {}, Millis(5'000))->rows[0][0], "1");
}

}  // namespace
}  // namespace fettle
