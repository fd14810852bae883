// Runs with real programs and a real directory: what is visible afterwards, and what is not.
#include "receivers/backups/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/json.h"
#include "receivers/backups/catalogue.h"
#include "tests/support/recorded_log.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temp_dir.h"

namespace fettle::receivers::backups {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RunTest : public testing::Test {
 protected:
  JobSpec Job(const std::string& script) {
    JobSpec job;
    job.name = "files";
    CommandSource source;
    source.argv = {"/bin/sh", "-c", script};
    source.file_name = "data.bin";
    job.source = source;
    job.to = {DirectoryTarget{dir_.path()}};
    return job;
  }
  RunReport Run(const JobSpec& job) {
    std::vector<std::unique_ptr<Destination>> destinations;
    destinations.push_back(MakeDirectoryDestination({dir_.path()}));
    return ExecuteRun({clock_, log_.For("backup"), stop_.get_token()}, job, destinations,
                      {"run-1", "manual", "a test"}, progress_);
  }
  // Every file below the directory.
  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.path())) {
      if (entry.is_regular_file()) {
        files.push_back(std::filesystem::relative(entry.path(), dir_.path()).string());
      }
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  SystemClock clock_;
  RecordedLog log_;
  std::stop_source stop_;
  TempDir dir_;
  Progress progress_;
};

TEST_F(RunTest, StoresVerifiesAndWritesTheManifestLast) {
  const RunReport report = Run(Job("head -c 3000000 /dev/zero; echo end"));
  EXPECT_EQ(report.result, RunResult::kSuccess) << report.sentence;
  EXPECT_EQ(report.level, kLevelReadAgain);
  EXPECT_EQ(report.source_bytes, 3'000'004);
  EXPECT_LT(report.size_bytes, 10'000);
  EXPECT_EQ(progress_.raw_bytes, 3'000'004);
  EXPECT_THAT(Files(), ElementsAre("sets/run-1/data.bin.zst", "sets/run-1/manifest.json"));
  const Result<Json> manifest = Json::Parse(dir_.Read("sets/run-1/manifest.json"));
  ASSERT_TRUE(manifest);
  EXPECT_EQ((*manifest)["job"].StringOr(""), "files");
  EXPECT_EQ((*manifest)["objects"].Items().at(0)["raw_bytes"].IntegerOr(0), 3'000'004);
  EXPECT_EQ((*manifest)["objects"].Items().at(0)["sha256"].StringOr("").size(), 64U);
}

TEST_F(RunTest, AProducerThatFailsLeavesNothingVisible) {
  const RunReport report = Run(Job("head -c 3000000 /dev/zero; echo 'disk on fire' >&2; exit 3"));
  EXPECT_EQ(report.result, RunResult::kFailed);
  EXPECT_EQ(report.reason, Reason::kDumpExit);
  EXPECT_THAT(report.sentence, HasSubstr("disk on fire"));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(RunTest, AProducerThatIsKilledLeavesNothingVisible) {
  const RunReport report = Run(Job("head -c 3000000 /dev/zero; kill -9 $$"));
  EXPECT_EQ(report.reason, Reason::kDumpExit);
  EXPECT_THAT(report.sentence, HasSubstr("signal 9"));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(RunTest, NothingIsNoBackup) {
  const RunReport report = Run(Job("true"));
  EXPECT_EQ(report.reason, Reason::kDumpIncomplete);
  EXPECT_THAT(report.sentence, HasSubstr("exited 0, but it wrote nothing"));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(RunTest, LessThanIsExpectedIsNoBackup) {
  JobSpec job = Job("echo little");
  job.min_bytes = 100;
  const RunReport report = Run(job);
  EXPECT_EQ(report.reason, Reason::kDumpIncomplete);
  EXPECT_THAT(report.sentence, HasSubstr("expect.min_bytes is 100"));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(RunTest, AMissingProgramIsAPermanentReason) {
  JobSpec job = Job("");
  std::get<CommandSource>(job.source).argv = {"/nonexistent/dump"};
  const RunReport report = Run(job);
  EXPECT_EQ(report.reason, Reason::kConfig);
  EXPECT_TRUE(IsPermanent(report.reason));
}

TEST_F(RunTest, ARunEndsAtItsTime) {
  JobSpec job = Job("echo begin; exec sleep 600");
  job.max_runtime = 100ms;
  const RunReport report = Run(job);
  EXPECT_EQ(report.reason, Reason::kTimeout) << report.sentence;
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(RunTest, ACancelledRunSaysSo) {
  stop_.request_stop();
  const RunReport report = Run(Job("exec sleep 600"));
  EXPECT_EQ(report.result, RunResult::kCancelled);
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(RunTest, AFullDiskIsNamed) {
  JobSpec job = Job("cat /dev/zero");
  std::vector<std::unique_ptr<Destination>> destinations;
  // Every write to /dev/full fails as on a full disk; its directory is no directory of ours.
  class Full final : public Destination {
   public:
    const std::string& Place() const override { return place_; }
    Result<std::unique_ptr<Upload>> Begin(const std::string&, std::int64_t) override {
      class FullUpload final : public Upload {
       public:
        Status Write(std::string_view) override {
          return Fail(Cause::kLimit, "writing: No space left on device");
        }
        Status Complete() override { return {}; }
      };
      return std::make_unique<FullUpload>();
    }
    Status PutNew(const std::string&, const std::string&) override { return {}; }
    Status Read(const std::string&, const std::function<bool(std::string_view)>&) override {
      return {};
    }
    Result<std::int64_t> Size(const std::string&) override { return 0; }
    Result<std::vector<std::string>> List(const std::string&) override {
      return std::vector<std::string>{};
    }
    Status Sweep(const std::string&) override { return {}; }
    Status Remove(const std::string&) override { return {}; }
    bool Throttled() const override { return false; }

   private:
    std::string place_ = "/full";
  };
  destinations.push_back(std::make_unique<Full>());
  const RunReport report = ExecuteRun({clock_, log_.For("backup"), {}}, job, destinations,
                                      {"run-1", "manual", ""}, progress_);
  EXPECT_EQ(report.reason, Reason::kDiskFull);
  EXPECT_THAT(report.sentence, HasSubstr("No space left"));
}

// A directory that is read back as `how` says.
class Unreadable final : public Destination {
 public:
  Unreadable(const std::string& path, Error how, bool throttled)
      : inner_(MakeDirectoryDestination({path})), how_(std::move(how)), throttled_(throttled) {}
  const std::string& Place() const override { return inner_->Place(); }
  Result<std::unique_ptr<Upload>> Begin(const std::string& key, std::int64_t size) override {
    return inner_->Begin(key, size);
  }
  Status PutNew(const std::string& key, const std::string& body) override {
    return inner_->PutNew(key, body);
  }
  Status Read(const std::string&, const std::function<bool(std::string_view)>&) override {
    return tl::unexpected(how_);
  }
  Result<std::int64_t> Size(const std::string& key) override { return inner_->Size(key); }
  Result<std::vector<std::string>> List(const std::string& prefix) override {
    return inner_->List(prefix);
  }
  Status Sweep(const std::string& prefix) override { return inner_->Sweep(prefix); }
  Status Remove(const std::string& key) override { return inner_->Remove(key); }
  bool Throttled() const override { return throttled_; }

 private:
  const std::unique_ptr<Destination> inner_;
  const Error how_;
  const bool throttled_;
};

TEST_F(RunTest, WhatAFailedRunHadFinishedIsTakenAway) {
  struct Case {
    Error how;
    bool throttled;
    std::string reason;
  };
  for (const Case& one : {Case{{"slow down", Cause::kUnavailable}, true, "s3_throttled"},
                          Case{{"connection reset", Cause::kUnavailable}, false, "network"},
                          Case{{"access denied", Cause::kDenied}, true, "auth"},
                          Case{{"wrong checksum", Cause::kInvalid}, false, "checksum"}}) {
    SCOPED_TRACE(one.reason);
    std::vector<std::unique_ptr<Destination>> destinations;
    destinations.push_back(MakeDirectoryDestination({dir_ / "good"}));
    destinations.push_back(std::make_unique<Unreadable>(dir_ / "bad", one.how, one.throttled));
    const RunReport report = ExecuteRun({clock_, log_.For("backup"), {}}, Job("echo whole"),
                                        destinations, {"run-1", "manual", ""}, progress_);
    EXPECT_EQ(report.result, RunResult::kFailed);
    EXPECT_EQ(ToString(report.reason), one.reason);
    EXPECT_FALSE(IsPermanent(report.reason) && one.reason != "auth");
    EXPECT_THAT(Files(), IsEmpty()) << "at both places";
  }
}

TEST_F(RunTest, NothingIsTakenAwayOnceAManifestMayBeThere) {
  dir_.Write("two/sets/run-1/manifest.json", "somebody else's");
  std::vector<std::unique_ptr<Destination>> destinations;
  destinations.push_back(MakeDirectoryDestination({dir_ / "one"}));
  destinations.push_back(MakeDirectoryDestination({dir_ / "two"}));
  const RunReport report = ExecuteRun({clock_, log_.For("backup"), {}}, Job("echo whole"),
                                      destinations, {"run-1", "manual", ""}, progress_);
  EXPECT_EQ(report.result, RunResult::kFailed);
  EXPECT_THAT(Files(),
              testing::IsSupersetOf({"one/sets/run-1/data.bin.zst", "one/sets/run-1/manifest.json",
                                     "two/sets/run-1/data.bin.zst"}));
}

TEST_F(RunTest, NoticesWhatTheDiskChangedBehindItsBack) {
  const RunReport report = Run(Job("head -c 100000 /dev/urandom"));
  ASSERT_EQ(report.result, RunResult::kSuccess);
  const auto destination = MakeDirectoryDestination({dir_.path()});
  const Result<Manifest> manifest = FetchManifest(*destination, "run-1");
  ASSERT_TRUE(manifest) << manifest.error().message;
  const std::string key = "sets/run-1/data.bin.zst";
  const auto prove = [&](int level) { return ProveSet({*destination}, {}, *manifest, level); };
  EXPECT_EQ(*prove(3), 2) << "nobody can decode what a command wrote";

  const std::string good = dir_.Read(key);
  std::string flipped = good;
  flipped[flipped.size() / 2] ^= 1;
  dir_.Write(key, flipped);
  EXPECT_EQ(prove(2).error().cause, Cause::kInvalid);
  EXPECT_EQ(*prove(1), 1) << "its size is right";
  dir_.Write(key, good.substr(0, good.size() - 1));
  EXPECT_THAT(prove(2).error().message, HasSubstr("bytes"));
  EXPECT_EQ(prove(1).error().cause, Cause::kInvalid);
  std::filesystem::remove(dir_ / key);
  EXPECT_EQ(prove(2).error().cause, Cause::kNotFound);
}

TEST_F(RunTest, NeverReplacesWhatIsThere) {
  const auto destination = MakeDirectoryDestination({dir_.path()});
  ASSERT_TRUE(destination->PutNew("sets/a/manifest.json", "one"));
  EXPECT_EQ(destination->PutNew("sets/a/manifest.json", "two").error().cause, Cause::kConflict);
  EXPECT_EQ(dir_.Read("sets/a/manifest.json"), "one");
  EXPECT_THAT(Files(), ElementsAre("sets/a/manifest.json"));
}

TEST_F(RunTest, AnInterruptedRunIsGoodOnlyWithItsManifest) {
  std::vector<std::unique_ptr<Destination>> destinations;
  destinations.push_back(MakeDirectoryDestination({dir_.path()}));
  dir_.Write("sets/run-9/data.bin.zst.partial", "half");
  const JobSpec job = Job("true");
  RunReport report =
      ResolveInterrupted(job, destinations, "run-9", TimeFromMillis(1), TimeFromMillis(2));
  EXPECT_EQ(report.result, RunResult::kUnknown);
  EXPECT_THAT(Files(), IsEmpty());

  ASSERT_EQ(Run(Job("echo whole")).result, RunResult::kSuccess);
  report = ResolveInterrupted(job, destinations, "run-1", TimeFromMillis(1), TimeFromMillis(2));
  EXPECT_EQ(report.result, RunResult::kSuccess);
  EXPECT_EQ(report.source_bytes, 6);
  EXPECT_THAT(Files(), ElementsAre("sets/run-1/data.bin.zst", "sets/run-1/manifest.json"));
}

TEST(RunIdTest, SortsByTimeAndIsUnique) {
  SeededRandom random;
  const Time at = TimeFromMillis(1'767'225'600'000);
  const std::string first = MakeRunId(at, random);
  EXPECT_THAT(first, testing::MatchesRegex("20260101T000000Z-[a-z2-7]+"));
  EXPECT_NE(first, MakeRunId(at, random));
  EXPECT_LT(first, MakeRunId(at + 1s, random));
}

}  // namespace
}  // namespace fettle::receivers::backups
