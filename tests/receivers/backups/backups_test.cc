// Jobs over hours in milliseconds: the clock is the test's, the store is in memory, the programs
// and the directory are real.
#include "common/json.h"
#include "tests/receivers/backups/backups_fixture.h"

namespace fettle::receivers::backups {
namespace {

TEST_F(BackupsTest, RunsAtItsSlot) {
  cron_ = "15 2 * * *";
  Start();
  EXPECT_EQ(View().phase, JobPhase::kIdle);
  EXPECT_EQ(*View().next_run - clock_.Now().wall, 2h + 15min);
  EXPECT_EQ(*View().expected_interval, 24h);
  for (int minute = 0; minute < 134; ++minute) Pass(1min);
  EXPECT_EQ(Runs("success"), 0);
  Pass(1min);
  EXPECT_EQ(Runs("success"), 1);
  EXPECT_EQ(View().state.last_success, clock_.Now().wall);
  EXPECT_EQ(*View().next_run - clock_.Now().wall, 24h);
}

TEST_F(BackupsTest, AWallClockThatIsSetForwardRunsTheSlotItPassed) {
  cron_ = "15 2 * * *";
  Start();
  clock_.StepWall(3h);
  Pass(1min);
  EXPECT_EQ(Runs("success"), 1);
}

TEST_F(BackupsTest, TriesAgainWithJitterAndThenCountsAsFailed) {
  attempts_ = 3;
  Says("exit 1");
  Start();
  Ask(clock_.Now().wall);
  Settle();
  EXPECT_EQ(View().phase, JobPhase::kRetryWait);
  EXPECT_EQ(Runs("failed"), 1);
  Pass(10s);
  EXPECT_EQ(Runs("failed"), 2);
  EXPECT_TRUE(answers_.empty());
  Pass(20s);
  EXPECT_EQ(Runs("failed"), 3);
  EXPECT_EQ(View().phase, JobPhase::kFailed);
  EXPECT_THAT(answers_, testing::ElementsAre(HasSubstr("failed: run ")));
  Pass(10min);
  EXPECT_EQ(Runs("failed"), 3);
  EXPECT_EQ(View().state.failures.at("dump_exit"), 3);
}

TEST_F(BackupsTest, ARetryThatEndsWellIsTheEnd) {
  attempts_ = 3;
  Says("exit 1");
  Start();
  Ask(clock_.Now().wall);
  Settle();
  Says("echo whole");
  Pass(10s);
  EXPECT_EQ(Runs("failed"), 1);
  EXPECT_EQ(Runs("success"), 1);
  EXPECT_EQ(View().phase, JobPhase::kIdle);
  EXPECT_THAT(answers_, testing::ElementsAre(HasSubstr("ran: run ")));
}

TEST_F(BackupsTest, APermanentReasonIsNotTriedAgain) {
  attempts_ = 3;
  Start();
  JobSpec spec = Spec();
  Says("echo");
  std::get<CommandSource>(spec.source).argv = {"/nonexistent/dump"};
  StartJob(spec);
  Ask(clock_.Now().wall);
  Settle();
  EXPECT_EQ(View().phase, JobPhase::kFailed);
  EXPECT_EQ(View().state.failures.at("config"), 1);
  EXPECT_EQ(answers_.size(), 1U);
}

TEST_F(BackupsTest, AskingTwiceWhileItRunsIsOneRun) {
  Start();
  Ask(clock_.Now().wall);
  Ask(clock_.Now().wall);
  Settle();
  EXPECT_EQ(Runs("success"), 1);
  EXPECT_EQ(answers_.size(), 2U);
}

TEST_F(BackupsTest, AskingAgainForTheSameCauseIsConverged) {
  Start();
  const Time cause = clock_.Now().wall;
  clock_.Pass(1s);
  Ask(cause);
  Settle();
  Ask(cause);
  Settle();
  EXPECT_EQ(Runs("success"), 1);
  ASSERT_EQ(answers_.size(), 2U);
  EXPECT_THAT(answers_[1], HasSubstr("converged: run "));
  Ask(clock_.Now().wall);
  Settle();
  EXPECT_EQ(Runs("success"), 2);
}

TEST_F(BackupsTest, AnUnknownJobIsSaid) {
  Start();
  EXPECT_FALSE(backups_->Knows("other"));
  backups_->Run("other", "", {}, [&](const Result<BackupOutcome>& outcome, const Moment&) {
    answers_.push_back(outcome.error().message);
  });
  EXPECT_THAT(answers_, testing::ElementsAre("there is no backup job named \"other\""));
  EXPECT_FALSE(backups_->RunNow("other", {}));
}

TEST_F(BackupsTest, ASlotDuringARunIsSkippedAndCounted) {
  cron_ = "* * * * *";
  Start();
  Ask(clock_.Now().wall);
  brain_->RunUntil(clock_.Now());  // recorded and handed over, but no hand works
  clock_.Pass(1min);
  brain_->RunUntil(clock_.Now());
  EXPECT_EQ(Runs("skipped_overlap"), 1);
  Settle();
  EXPECT_EQ(Runs("success"), 1);
}

TEST_F(BackupsTest, KeepsItsCountsAndTimesOverARestart) {
  Start();
  Ask(clock_.Now().wall);
  Settle();
  const Time success = View().state.last_success;
  const Time created = View().state.created;
  clock_.Pass(1h);
  Start();
  EXPECT_EQ(Runs("success"), 1);
  EXPECT_EQ(View().state.last_success, success);
  EXPECT_EQ(View().state.created, created);
  EXPECT_GT(View().state.last_size_bytes, 0);
}

TEST_F(BackupsTest, ARunFoundBegunAtStartIsUnknownAndSweptAndDoesNotCountAsGood) {
  Start();
  Ask(clock_.Now().wall);
  brain_->RunUntil(clock_.Now());
  ASSERT_EQ(hands_.Waiting(), 1U);
  const std::string run = View().run_id;
  dir_.Write("to/sets/" + run + "/output.zst.partial", "half");
  store_.Crash();
  Start();
  EXPECT_EQ(Runs("unknown"), 1);
  EXPECT_EQ(Runs("success"), 0);
  EXPECT_EQ(View().phase, JobPhase::kFailed);
  EXPECT_FALSE(std::filesystem::exists(dir_ / ("to/sets/" + run + "/output.zst.partial")));
  Start();
  EXPECT_EQ(Runs("unknown"), 1);
}

TEST_F(BackupsTest, ARunWhoseManifestWasWrittenBeforeTheCrashIsGood) {
  Start();
  Ask(clock_.Now().wall);
  brain_->RunUntil(clock_.Now());
  hands_.Work();  // the set is whole; the brain has not heard of it
  store_.Crash();
  Start();
  EXPECT_EQ(Runs("unknown"), 0);
  EXPECT_EQ(Runs("success"), 1);
  EXPECT_EQ(View().phase, JobPhase::kIdle);
}

TEST_F(BackupsTest, ASlotMissedWhileFettleWasDownRunsOnceAtStart) {
  cron_ = "15 2 * * *";
  Start();
  Ask(clock_.Now().wall);
  Settle();
  clock_.Pass(72h);
  Start();
  EXPECT_EQ(Runs("success"), 2);
  Start();
  EXPECT_EQ(Runs("success"), 2);
}

TEST_F(BackupsTest, ARunThatCannotBeRecordedDoesNotBegin) {
  Start();
  store_.FailCommits(Error{"disk full", Cause::kUnavailable});
  Ask(clock_.Now().wall);
  Settle();
  EXPECT_THAT(answers_, testing::ElementsAre(HasSubstr("could not be recorded: disk full")));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "to"));
}

TEST_F(BackupsTest, ShowsEverySeriesFromTheFirstScrapeButNoTimeThatIsUnknown) {
  Start();
  std::map<std::string, std::size_t> points;
  const auto look = [&] {
    const auto families = backups_->Collect({});
    for (const MetricFamily& family : *families) points[family.name] = family.points.size();
  };
  look();
  EXPECT_EQ(points["fettle_backup_job_info"], 1U);
  EXPECT_EQ(points["fettle_backup_runs_total"], 5U);
  EXPECT_EQ(points["fettle_backup_job_state"], 4U);
  EXPECT_EQ(points["fettle_backup_job_created_timestamp_seconds"], 1U);
  EXPECT_EQ(points["fettle_backup_last_success_timestamp_seconds"], 0U);
  const int before = publisher_.times;
  Ask(clock_.Now().wall);
  Settle();
  EXPECT_GT(publisher_.times, before);
  look();
  EXPECT_EQ(points["fettle_backup_last_success_timestamp_seconds"], 1U);
}

TEST_F(BackupsTest, ForgetsOldRuns) {
  Start();
  for (std::size_t i = 0; i < Backups::kHistoryMax + 5; ++i) {
    clock_.Pass(1s);
    Ask(clock_.Now().wall);
    Settle();
  }
  EXPECT_EQ(store_.All("backup_run").size(), Backups::kHistoryMax);
}

TEST_F(BackupsTest, ThePageListsJobsAndRunsOne) {
  Start();
  const HttpRequest run{.method = "POST", .url = "/api/fettle/v1/backups/files/run"};
  EXPECT_EQ(ServeBackupAction(*backups_, *brain_, run).status, 202);
  Settle();
  const HttpResponse listed = ServeBackups(*backups_, {});
  const Result<Json> json = Json::Parse(listed.body);
  ASSERT_TRUE(json);
  const Json job = (*json)["backups"].Items().at(0);
  EXPECT_EQ(job["name"].StringOr(""), "files");
  EXPECT_EQ(job["state"].StringOr(""), "idle");
  EXPECT_EQ(job["runs"]["success"].IntegerOr(0), 1);
  EXPECT_EQ(
      ServeBackupAction(*backups_, *brain_, {.url = "/api/fettle/v1/backups/other/run"}).status,
      404);
  EXPECT_EQ(ServeBackupAction(*backups_, *brain_, {.url = "/api/fettle/v1/backups//run"}).status,
            404);
}

}  // namespace
}  // namespace fettle::receivers::backups
