// Who may die when: pg_dump, the database, the S3 gateway or fettle itself, at six moments of a run
// to a real S3. Goal: whatever dies, what is visible is whole, what is good before stays good, what
// is left over is found and swept, and the next run is good. Method: the place is wrapped so that
// the moment can be met exactly; fettle's own death is this test program, run again as a child.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "common/http_client.h"
#include "receivers/backups/catalogue.h"
#include "receivers/backups/run.h"
#include "tests/support/postgres_server.h"
#include "tests/support/radosgw.h"
#include "tests/support/recorded_log.h"

namespace fettle::receivers::backups {
namespace {

using namespace std::chrono_literals;

enum class At { kPrecheck, kFirstPart, kMiddle, kBeforeComplete, kAfterComplete, kAfterManifest };
constexpr std::array kMoments = {At::kPrecheck,       At::kFirstPart,     At::kMiddle,
                                 At::kBeforeComplete, At::kAfterComplete, At::kAfterManifest};
constexpr std::size_t kMiddleBytes = 9 * 1024 * 1024;  // one part is on its way

// A place that tells when each moment has come.
class Watched final : public Destination {
 public:
  Watched(std::unique_ptr<Destination> inner, std::function<void(At)> meet)
      : inner_(std::move(inner)), meet_(std::move(meet)) {}
  const std::string& Place() const override { return inner_->Place(); }
  Result<std::unique_ptr<Upload>> Begin(const std::string& key, std::int64_t size) override {
    Result<std::unique_ptr<Upload>> upload = inner_->Begin(key, size);
    if (!upload) return upload;
    return std::make_unique<WatchedUpload>(*std::move(upload), meet_);
  }
  Status PutNew(const std::string& key, const std::string& body) override {
    const Status put = inner_->PutNew(key, body);
    meet_(At::kAfterManifest);
    return put;
  }
  Status Read(const std::string& key,
              const std::function<bool(std::string_view)>& on_piece) override {
    return inner_->Read(key, on_piece);
  }
  Result<std::int64_t> Size(const std::string& key) override { return inner_->Size(key); }
  Result<std::vector<std::string>> List(const std::string& prefix) override {
    return inner_->List(prefix);
  }
  Result<std::map<std::string, std::int64_t>> Inventory(const std::string& prefix) override {
    return inner_->Inventory(prefix);
  }
  Status Sweep(const std::string& prefix) override { return inner_->Sweep(prefix); }
  Status Remove(const std::string& key) override { return inner_->Remove(key); }
  bool Throttled() const override { return inner_->Throttled(); }

 private:
  class WatchedUpload final : public Upload {
   public:
    WatchedUpload(std::unique_ptr<Upload> inner, const std::function<void(At)>& meet)
        : inner_(std::move(inner)), meet_(meet) {}
    Status Write(std::string_view piece) override {
      if (bytes_ == 0) meet_(At::kFirstPart);
      const bool before = bytes_ < kMiddleBytes;
      bytes_ += piece.size();
      if (before && bytes_ >= kMiddleBytes) meet_(At::kMiddle);
      return inner_->Write(piece);
    }
    Status Complete() override {
      meet_(At::kBeforeComplete);
      const Status completed = inner_->Complete();
      meet_(At::kAfterComplete);
      return completed;
    }

   private:
    const std::unique_ptr<Upload> inner_;
    const std::function<void(At)>& meet_;
    std::size_t bytes_ = 0;
  };
  const std::unique_ptr<Destination> inner_;
  const std::function<void(At)> meet_;
};

// Our own children of that name.
void KillOwn(const std::string& name) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream stat(entry.path() / "stat");
    pid_t pid = 0;
    pid_t parent = 0;
    std::string comm;
    std::string state;
    if (!(stat >> pid >> comm >> state >> parent)) continue;
    if (parent == getpid() && comm == "(" + name + ")") kill(pid, SIGKILL);
  }
}

// What both the test and its child need to run the job.
struct World {
  std::string dsn;
  std::string endpoint;
  std::string bucket;

  JobSpec Job() const {
    JobSpec job;
    job.name = "leads-db";
    PostgresSource source;
    source.server.dsn = Secret::FromText(dsn);
    source.databases = {"leads"};
    source.globals = false;
    source.client_dir = PostgresServer::BinDir();
    job.source = source;
    job.max_runtime = 60s;
    return job;
  }
  std::unique_ptr<Destination> Open() {
    S3Target target{.bucket = bucket, .prefix = "pg"};
    target.server.endpoint = endpoint;
    target.server.access_key_id = Secret::FromText("TESTKEY");
    target.server.secret_access_key = Secret::FromText("TESTSECRET");
    target.server.addressing = S3Connection::Addressing::kPath;
    S3::Deps deps{.transport = transport,
                  .clock = clock,
                  .random = random,
                  .metrics = metrics,
                  .log = log.For("s3")};
    return MakeS3Destination(target, std::make_unique<S3>(deps, "main", target.server));
  }
  RunReport Run(const std::string& run_id, const std::function<void(At)>& meet) {
    std::vector<std::unique_ptr<Destination>> places;
    places.push_back(std::make_unique<Watched>(Open(), meet));
    meet(At::kPrecheck);
    return ExecuteRun({clock, log.For("backup"), {}}, Job(), places, {run_id, "manual", ""},
                      progress);
  }

  SystemClock clock;
  SystemRandom random;
  Metrics metrics;
  RecordedLog log;
  HttpClient transport;
  Progress progress;
};

class KillMatrixRealTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = PostgresServer::Start();
    server_->Execute("create database leads");
    // Digits of random numbers pack to less than half: two parts of 8 MiB are on their way.
    server_->Execute(
        "create table leads as select i, md5(random()::text) || md5(random()::text) || "
        "md5(random()::text) n from generate_series(1, 220000) i",
        "leads");
    world_.dsn = server_->Dsn("leads");
    world_.endpoint = Radosgw::Shared().endpoint();
    world_.bucket = Radosgw::Shared().CreateBucket();
    ASSERT_EQ(world_.Run("baseline", [](At) {}).result, RunResult::kSuccess);
  }

  // One cell: `kill` happens at the moment, `heal` afterwards; then all that must hold is looked
  // at.
  void Cell(const std::string& victim, At at, const std::function<void()>& kill,
            const std::function<void()>& heal) {
    const std::string run = fmt::format("{}-{}", victim, static_cast<int>(at));
    SCOPED_TRACE(run);
    bool killed = false;
    const RunReport report = world_.Run(run, [&](At now) {
      if (now != at || std::exchange(killed, true)) return;
      kill();
    });
    heal();
    EXPECT_TRUE(killed) << report.sentence;
    Invariants(run, report.result == RunResult::kSuccess);
  }

  void Invariants(const std::string& run, bool said_good) {
    const auto place = world_.Open();
    const Result<Catalogue> catalogue = ReadCatalogue(*place);
    ASSERT_TRUE(catalogue) << catalogue.error().message;
    ASSERT_NE(catalogue->Find("baseline"), nullptr);
    EXPECT_TRUE(catalogue->Find("baseline")->Whole()) << "the last good one";
    const StoredSet* set = catalogue->Find(run);
    EXPECT_EQ(set != nullptr, said_good) << "good is what has a manifest";
    if (set != nullptr) {
      EXPECT_TRUE(set->Whole());
      EXPECT_GE(set->manifest.level, kLevelCommitted);
      const Result<int> proven = ProveSet({*place}, {PostgresServer::BinDir()}, set->manifest, 3);
      EXPECT_EQ(proven.value_or(0), 3) << (proven ? "" : proven.error().message);
    }
    for (const auto& [orphan, objects] : catalogue->orphans) {
      EXPECT_EQ(orphan, run) << "nothing is left of other runs";
      EXPECT_LE(objects.objects, 1);
      const auto keys = place->List(SetPrefix(orphan));
      ASSERT_TRUE(keys);
      for (const std::string& key : *keys) EXPECT_TRUE(place->Remove(key));
    }
    EXPECT_TRUE(place->Sweep(""));
    EXPECT_TRUE(ReadCatalogue(*place)->orphans.empty());
  }

  World world_;
  std::unique_ptr<PostgresServer> server_;
};

TEST_F(KillMatrixRealTest, PgDumpDies) {
  for (const At at : kMoments) {
    Cell(
        "pg-dump", at, [] { KillOwn("pg_dump"); }, [] {});
  }
}

TEST_F(KillMatrixRealTest, TheDatabaseDies) {
  for (const At at : kMoments) {
    Cell(
        "postgres", at, [this] { server_->Stop(); }, [this] { server_->Restart(); });
  }
}

TEST_F(KillMatrixRealTest, TheGatewayDiesAndComesBack) {
  for (const At at : kMoments) {
    std::jthread reviver;
    Cell(
        "gateway", at,
        [&] {
          Radosgw::Shared().KillGateway();
          reviver = std::jthread([] { Radosgw::Shared().RestartGateway(); });
        },
        [&] { reviver.join(); });
  }
}

TEST_F(KillMatrixRealTest, FettleDies) {
  for (const At at : kMoments) {
    const std::string run = fmt::format("fettle-{}", static_cast<int>(at));
    SCOPED_TRACE(run);
    const int code = Child::Run(
        {.argv = {std::filesystem::read_symlink("/proc/self/exe").string(),
                  "--gtest_also_run_disabled_tests", "--gtest_filter=KillMatrix.DISABLED_Child"},
         .environment = {{"FETTLE_TEST_DSN", world_.dsn},
                         {"FETTLE_TEST_ENDPOINT", world_.endpoint},
                         {"FETTLE_TEST_BUCKET", world_.bucket},
                         {"FETTLE_TEST_AT", std::to_string(static_cast<int>(at))}}});
    EXPECT_EQ(code, 128 + SIGKILL);
    // The next start looks at what the dead one left, as for every run found begun.
    std::vector<std::unique_ptr<Destination>> places;
    places.push_back(world_.Open());
    const Time now = world_.clock.Now().wall;
    const RunReport report = ResolveInterrupted(world_.Job(), places, run, now, now);
    EXPECT_EQ(report.result, at == At::kAfterManifest ? RunResult::kSuccess : RunResult::kUnknown);
    Invariants(run, report.result == RunResult::kSuccess);
  }
  EXPECT_EQ(world_.Run("afterwards", [](At) {}).result, RunResult::kSuccess);
}

// Not a test: what FettleDies starts.
TEST(KillMatrix, DISABLED_Child) {
  const char* at = std::getenv("FETTLE_TEST_AT");
  if (at == nullptr) GTEST_SKIP() << "only for FettleDies";
  World world;
  world.dsn = std::getenv("FETTLE_TEST_DSN");
  world.endpoint = std::getenv("FETTLE_TEST_ENDPOINT");
  world.bucket = std::getenv("FETTLE_TEST_BUCKET");
  const std::string run = std::string("fettle-") + at;
  (void)world.Run(run, [&](At now) {
    if (static_cast<int>(now) == std::atoi(at)) raise(SIGKILL);
  });
}

}  // namespace
}  // namespace fettle::receivers::backups
