// Every kind of source against its real server, stored in a directory: what is called good is read
// by the format's own reader, and what was cut short or changed is not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/process.h"
#include "receivers/backups/catalogue.h"
#include "receivers/backups/run.h"
#include "receivers/backups/stream.h"
#include "tests/support/mariadb_server.h"
#include "tests/support/postgres_server.h"
#include "tests/support/recorded_log.h"
#include "tests/support/redis_server.h"
#include "tests/support/temp_dir.h"

namespace fettle::receivers::backups {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsSupersetOf;

class SourcesRealTest : public testing::Test {
 protected:
  RunReport Run(Source source) {
    JobSpec job;
    job.name = "a-job";
    job.source = std::move(source);
    job.seal_key = key_;
    job.max_runtime = 2min;
    return ExecuteRun({clock_, log_.For("backup"), {}}, job, places_, {"run-1", "manual", ""},
                      progress_);
  }
  Manifest Stored() { return *FetchManifest(*places_[0], "run-1"); }
  // What an object holds, unpacked.
  std::string Raw(const std::string& name) {
    std::optional<SealKey> key;
    if (!key_.empty()) key.emplace(*SealKey::Read(key_));
    const Manifest manifest = Stored();
    std::string raw;
    for (const StoredObject& object : manifest.objects) {
      if (object.name != name) continue;
      const Status read = ReadBack({*places_[0], key ? &*key : nullptr}, "run-1", object,
                                   [&](std::string_view piece) {
                                     raw += piece;
                                     return true;
                                   });
      EXPECT_TRUE(read) << read.error().message;
    }
    return raw;
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const StoredObject& object : Stored().objects) names.push_back(object.name);
    return names;
  }
  // Stores bytes as somebody would who uploads a dump by hand, and proves them.
  Result<int> ProveBytes(Format format, const std::string& raw) {
    auto stream = Stream::Begin({places_[0].get()}, SetPrefix("by-hand") + "x.zst", 0);
    EXPECT_TRUE(stream->Write(raw));
    Result<StoredObject> object = stream->Complete();
    object->format = format;
    Manifest manifest{.run_id = "by-hand", .objects = {*object}};
    const Result<int> proven =
        ProveSet({*places_[0]}, {PostgresServer::BinDir()}, manifest, kLevelDecoded);
    EXPECT_TRUE(places_[0]->Remove(SetPrefix("by-hand") + "x.zst"));
    return proven;
  }
  static MariadbSource Mariadb() {
    MariadbSource source;
    source.host = "127.0.0.1";
    source.port = MariadbServer::Shared().port();
    source.user = "app";
    source.password = Secret::FromText(MariadbServer::kPassword);
    return source;
  }

  SystemClock clock_;
  RecordedLog log_;
  TempDir dir_;
  Progress progress_;
  Secret key_;
  std::vector<std::unique_ptr<Destination>> places_ = [this] {
    std::vector<std::unique_ptr<Destination>> places;
    places.push_back(MakeDirectoryDestination({dir_ / "to"}));
    return places;
  }();
};

TEST_F(SourcesRealTest, MariadbComesBackWithItsViewsRoutinesAndAccounts) {
  MariadbServer& server = MariadbServer::Shared();
  server.Execute(
      "create database shop; use shop; create table t (id int primary key, b blob); "
      "insert into t select seq, repeat(char(seq % 256), 100) from seq_1_to_5000; "
      "create view v as select count(*) c from t; "
      "create procedure p() select 1");
  const std::string sum = "select concat(count(*), md5(group_concat(md5(b) order by id))) from ";
  const std::string before = server.Value(sum + "shop.t");
  key_ = Secret::FromText(std::string(64, 'c'));
  const RunReport report = Run(Mariadb());
  ASSERT_EQ(report.result, RunResult::kSuccess) << report.sentence;
  EXPECT_EQ(report.level, kLevelDecoded);
  EXPECT_THAT(Names(), IsSupersetOf({"shop.sql.zst.enc", "accounts.sql.zst.enc"}));
  EXPECT_THAT(Raw("accounts.sql.zst.enc"), HasSubstr("app"));
  server.Execute("drop database shop");
  server.Execute(Raw("shop.sql.zst.enc"));
  EXPECT_EQ(server.Value(sum + "shop.t"), before);
  EXPECT_EQ(server.Value("select c from shop.v"), "5000");
  server.Execute("drop database shop");
}

TEST_F(SourcesRealTest, MariadbThatRefusesOrIsNotThereIsTold) {
  MariadbSource source = Mariadb();
  source.password = Secret::FromText("wrong");
  RunReport report = Run(source);
  EXPECT_EQ(report.reason, Reason::kAuth) << report.sentence;
  EXPECT_THAT(report.sentence, testing::Not(HasSubstr("wrong'")));
  source = Mariadb();
  source.databases = {"nowhere"};
  EXPECT_EQ(Run(source).reason, Reason::kConfig);
  source = Mariadb();
  source.port = FreePort();
  report = Run(source);
  EXPECT_EQ(report.reason, Reason::kNetwork) << report.sentence;
}

TEST_F(SourcesRealTest, RedisComesBackAsARdbThatRedisReads) {
  const auto server = RedisServer::Start({.password = "tell nobody"});
  const auto cli = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"redis-cli", "-p", std::to_string(server->port())});
    return RunProcess({.argv = words, .environment = {{"REDISCLI_AUTH", "tell nobody"}}})->output;
  };
  for (int i = 0; i < 200; i += 50) cli({"mset", "k" + std::to_string(i), std::string(2000, 'v')});
  const RunReport report = Run(RedisSource{"queue", server->Connection()});
  ASSERT_EQ(report.result, RunResult::kSuccess) << report.sentence;
  EXPECT_EQ(report.level, kLevelDecoded);
  const std::string rdb = Raw("dump.rdb.zst");
  EXPECT_TRUE(rdb.starts_with("REDIS"));
  EXPECT_EQ(Stored().facts.at("keys"), "4");
  EXPECT_EQ(ProveBytes(Format::kRedis, rdb).value_or(0), kLevelDecoded);
  // Behind the RDB stands the mark of 40 bytes that ended its transfer.
  const Result<int> cut = ProveBytes(Format::kRedis, rdb.substr(0, rdb.size() - 48));
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error().message, HasSubstr("cannot be read: redis-check-rdb"));
  std::string flipped = rdb;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 1);
  EXPECT_FALSE(ProveBytes(Format::kRedis, flipped));
}

TEST_F(SourcesRealTest, ADirectoryComesBackWithoutWhatIsExcluded) {
  dir_.Write("from/a/b.txt", "hello");
  dir_.Write("from/cache/big", std::string(100'000, 'x'));
  DirectorySource source{.path = dir_ / "from", .exclude = {"./cache"}};
  const RunReport report = Run(source);
  ASSERT_EQ(report.result, RunResult::kSuccess) << report.sentence;
  EXPECT_EQ(report.level, kLevelDecoded);
  const auto listed =
      RunProcess({.argv = {"tar", "--list", "--file=-"}, .standard_input = Raw("files.tar.zst")});
  EXPECT_THAT(listed->output, HasSubstr("./a/b.txt"));
  EXPECT_THAT(listed->output, testing::Not(HasSubstr("cache/big")));
  EXPECT_EQ(Run(DirectorySource{.path = dir_ / "none"}).reason, Reason::kConfig);
}

TEST_F(SourcesRealTest, AClusterComesBackThatPgVerifybackupAccepts) {
  PostgresServer& server = PostgresServer::Shared();
  PostgresSource source;
  source.server.dsn = Secret::FromText(server.Dsn());
  source.physical = true;
  source.client_dir = PostgresServer::BinDir();
  const RunReport report = Run(source);
  ASSERT_EQ(report.result, RunResult::kSuccess) << report.sentence;
  EXPECT_EQ(report.level, kLevelDecoded);
  std::filesystem::create_directories(dir_ / "base");
  const auto unpacked = RunProcess({.argv = {"tar", "--extract", "--file=-", "-C", dir_ / "base"},
                                    .standard_input = Raw("base.tar.zst")});
  ASSERT_TRUE(unpacked->succeeded()) << unpacked->Describe();
  const auto verified = RunProcess(
      {.argv = {PostgresServer::BinDir() + "/pg_verifybackup", "--no-parse-wal", dir_ / "base"}});
  EXPECT_TRUE(verified->succeeded()) << verified->Describe();
}

// pg_restore --list takes a dump that is cut to a tenth; a full decode does not.
TEST_F(SourcesRealTest, ATruncatedDumpAFlippedOneAndAnEmptyOneAreNotGood) {
  PostgresServer& server = PostgresServer::Shared();
  const std::string database = server.CreateDatabase();
  server.Execute(
      "create table t as select i, repeat(md5(i::text), 20) n "
      "from generate_series(1, 3000) i",
      database);
  const auto dump = RunProcess({.argv = {PostgresServer::BinDir() + "/pg_dump", "-Fc", "-Z6",
                                         "--dbname=" + server.Dsn(database)},
                                .output_bytes_max = 64 << 20});
  ASSERT_TRUE(dump && dump->succeeded() && !dump->output_cut);
  const std::string& whole = dump->output;
  EXPECT_EQ(ProveBytes(Format::kPostgresCustom, whole).value_or(0), kLevelDecoded);
  for (const std::size_t size : {whole.size() / 10, whole.size() / 2, whole.size() - 100}) {
    const Result<int> proven = ProveBytes(Format::kPostgresCustom, whole.substr(0, size));
    ASSERT_FALSE(proven) << size;
    EXPECT_EQ(proven.error().cause, Cause::kInvalid);
    EXPECT_THAT(proven.error().message, HasSubstr("pg_restore"));
  }
  std::string flipped = whole;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 4);
  EXPECT_FALSE(ProveBytes(Format::kPostgresCustom, flipped));
  EXPECT_FALSE(ProveBytes(Format::kPostgresCustom, ""));
  EXPECT_FALSE(ProveBytes(Format::kMariadb, "create table t (id int);\n"));
}

TEST_F(SourcesRealTest, AnEncryptedDumpIsUnreadableWithoutItsKey) {
  PostgresServer& server = PostgresServer::Shared();
  PostgresSource source;
  source.server.dsn = Secret::FromText(server.Dsn());
  source.databases = {server.CreateDatabase()};
  source.client_dir = PostgresServer::BinDir();
  key_ = Secret::FromText(std::string(64, 'd'));
  ASSERT_EQ(Run(source).result, RunResult::kSuccess);
  const Manifest manifest = Stored();
  EXPECT_EQ(manifest.key_id, SealKey::Read(key_)->Id());
  const Readers readers{PostgresServer::BinDir()};
  EXPECT_EQ(ProveSet({*places_[0]}, readers, manifest, 2).error().cause, Cause::kDenied);
  const SealKey other = *SealKey::Parse(std::string(64, 'e'));
  EXPECT_THAT(ProveSet({*places_[0], &other}, readers, manifest, 2).error().message,
              HasSubstr("another key"));
  EXPECT_THAT(dir_.Read("to/sets/run-1/" + manifest.objects.at(0).name),
              testing::Not(HasSubstr("PGDMP")));
}

}  // namespace
}  // namespace fettle::receivers::backups
