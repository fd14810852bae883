// What happens to sets after their run: counted, verified again, held, removed, and what all of it
// looks like when the place is gone or the process starts anew.
#include <filesystem>

#include "common/json.h"
#include "receivers/backups/prune.h"
#include "tests/receivers/backups/backups_fixture.h"

namespace fettle::receivers::backups {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class KeeperTest : public BackupsTest {
 protected:
  // A good run of now; its id.
  std::string Run() {
    backups_->RunNow("files", [](const Result<BackupOutcome>&, const Moment&) {});
    Settle();
    return View().state.last_success_run;
  }
  std::string Do(ChoreRequest request) {
    std::string said = "nothing";
    backups_->Ask("files", std::move(request),
                  [&](const Result<std::string>& sentence, const Moment&) {
                    said = sentence ? *sentence : "failed: " + sentence.error().message;
                  });
    Settle();
    return said;
  }
  KeptPlace Place(std::size_t i = 0) { return backups_->Kept().at(0).places.at(i); }
  std::vector<std::string> Sets() {
    std::vector<std::string> ids;
    for (const StoredSet& set : Place().catalogue->sets) ids.push_back(set.manifest.run_id);
    return ids;
  }
  // The value of a family's only point, or of the one with this label.
  std::optional<double> Shown(const std::string& name, const std::string& label = "",
                              const std::string& value = "") {
    for (const MetricFamily& family : publisher_.last) {
      if (family.name != name) continue;
      for (const MetricPoint& point : family.points) {
        if (label.empty() || point.labels.Get(label) == value) return point.value;
      }
    }
    return std::nullopt;
  }
};

TEST_F(KeeperTest, CountsWhatIsStoredFromTheStart) {
  Start();
  EXPECT_EQ(Shown("fettle_backups_stored"), 0);
  const std::string run = Run();
  EXPECT_THAT(Sets(), ElementsAre(run));
  EXPECT_EQ(Shown("fettle_backups_stored"), 1);
  EXPECT_GT(*Shown("fettle_backups_stored_bytes"), 0);
  EXPECT_EQ(Shown("fettle_backup_missing_objects"), 0);
  Start();
  EXPECT_THAT(Sets(), ElementsAre(run));
}

TEST_F(KeeperTest, SeesWithinAQuarterOfAnHourWhatSomebodyTookAway) {
  Start();
  const std::string run = Run();
  std::filesystem::remove(dir_ / ("to/sets/" + run + "/output.zst"));
  dir_.Write("to/sets/20000101T000000Z-aaaaaa/output.zst", "stray");
  Pass(15min);
  EXPECT_EQ(Shown("fettle_backup_missing_objects"), 1);
  EXPECT_EQ(Shown("fettle_backup_bad_sets"), 1);
  EXPECT_EQ(Shown("fettle_backup_orphan_objects"), 1);
  EXPECT_EQ(Shown("fettle_backup_orphan_bytes"), 5);
}

TEST_F(KeeperTest, APlaceThatIsAwayIsDownAndNothingElseIsForgotten) {
  Start();
  Run();
  std::filesystem::rename(dir_ / "to", dir_ / "away");
  dir_.Write("to", "a file where a directory should be");
  Pass(15min);
  EXPECT_EQ(Shown("fettle_backup_place_up"), 0);
  EXPECT_FALSE(Shown("fettle_backups_stored"));
  EXPECT_TRUE(Shown("fettle_backup_last_success_timestamp_seconds"));
  EXPECT_TRUE(Shown("fettle_backup_place_last_look_timestamp_seconds"));
  std::filesystem::remove(dir_ / "to");
  std::filesystem::rename(dir_ / "away", dir_ / "to");
  Pass(15min);
  EXPECT_EQ(Shown("fettle_backup_place_up"), 1);
  EXPECT_EQ(Shown("fettle_backups_stored"), 1);
}

TEST_F(KeeperTest, ASetThatRotsIsFoundAndRememberedOverARestart) {
  Start();
  const std::string run = Run();
  EXPECT_THAT(Do({.chore = Chore::kVerify}), HasSubstr("good to level 2"));
  const std::string file = "to/sets/" + run + "/output.zst";
  std::string bytes = dir_.Read(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  dir_.Write(file, bytes);
  EXPECT_THAT(Do({.chore = Chore::kVerify, .set = run}), HasSubstr("failed: "));
  EXPECT_EQ(Shown("fettle_backup_bad_sets"), 1);
  EXPECT_THAT(Do({.chore = Chore::kVerify}), HasSubstr("there is no good set"));
  store_.Crash();
  Start();
  EXPECT_EQ(Shown("fettle_backup_bad_sets"), 1);
  EXPECT_THAT(Do({.chore = Chore::kVerify, .set = "20200101T000000Z-aaaaaa"}),
              HasSubstr("there is no set"));
}

TEST_F(KeeperTest, RetentionOnlyPlansUnlessItIsToldToApply) {
  change_spec_ = [](JobSpec& job) { job.retention = {.keep_last = 2}; };
  Start();
  for (int day = 0; day < 4; ++day) {
    Run();
    Pass(24h + 1min);
  }
  EXPECT_THAT(Sets(), SizeIs(4));
  EXPECT_EQ(Shown("fettle_retention_removals_planned"), 2);
  EXPECT_EQ(Shown("fettle_retention_blocked", "reason", "dry_run"), 1);
  // A person approves exactly this plan.
  EXPECT_THAT(Do({.chore = Chore::kPrune, .approved = "another"}), HasSubstr("dry_run"));
  EXPECT_THAT(Do({.chore = Chore::kPrune, .approved = Place().plan.hash}),
              HasSubstr("2 sets removed"));
  EXPECT_THAT(Sets(), SizeIs(2));
  EXPECT_EQ(Shown("fettle_retention_compliant", "rule", "keep_last"), 1);
}

TEST_F(KeeperTest, RetentionFollowsEachGoodRunAndNeverAFailedOne) {
  change_spec_ = [](JobSpec& job) { job.retention = {.daily = 2, .apply = true}; };
  Start();
  std::vector<std::string> runs;
  for (int day = 0; day < 5; ++day) {
    runs.push_back(Run());
    Pass(24h);
  }
  EXPECT_THAT(Sets(), ElementsAre(runs[3], runs[4]));
  EXPECT_FALSE(std::filesystem::exists(dir_ / ("to/sets/" + runs[0]))) << "not even its directory";
  Says("exit 1");
  Pass(24h);
  backups_->RunNow("files", [](const Result<BackupOutcome>&, const Moment&) {});
  Settle();
  EXPECT_THAT(Do({.chore = Chore::kPrune}), HasSubstr("no_success"));
  EXPECT_THAT(Sets(), SizeIs(2));
  EXPECT_EQ(metrics_.Counter("fettle_retention_deletions_total", "", {{"backup", "files"}}).Value(),
            3);
}

// Neither by a key that looks like one of ours, nor by the age that a file system gives it.
TEST_F(KeeperTest, RetentionTouchesNothingThatIsNotItsOwn) {
  change_spec_ = [](JobSpec& job) { job.retention = {.keep_last = 1, .apply = true}; };
  const std::vector<std::string> others = {"to/readme.txt",
                                           "to/sets-of-another-job/x/manifest.json",
                                           "to/sets/notes/manifest.json", "to/sets/old.zst"};
  for (const std::string& name : others) dir_.Write(name, "{}");
  Start();
  const std::string first = Run();
  // A copy or a restored disk gives every file a time of its own.
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / "to")) {
    std::filesystem::last_write_time(entry.path(), std::filesystem::file_time_type::min());
  }
  Pass(25h);
  const std::string second = Run();
  Pass(25h);
  EXPECT_THAT(Sets(), ElementsAre(second));
  for (const std::string& name : others) EXPECT_TRUE(std::filesystem::exists(dir_ / name)) << name;
}

TEST_F(KeeperTest, AHeldSetStaysUntilItIsReleased) {
  change_spec_ = [](JobSpec& job) { job.retention = {.keep_last = 1, .apply = true}; };
  Start();
  const std::string first = Run();
  EXPECT_THAT(Do({.chore = Chore::kHold, .set = first}), HasSubstr("is held"));
  EXPECT_THAT(Do({.chore = Chore::kHold, .set = first}), HasSubstr("is held")) << "twice is once";
  Pass(48h);
  const std::string second = Run();
  EXPECT_THAT(Sets(), ElementsAre(first, second));
  EXPECT_EQ(Shown("fettle_backup_held_sets"), 1);
  EXPECT_THAT(Do({.chore = Chore::kRelease, .set = first}), HasSubstr("is released"));
  Pass(48h);
  Do({.chore = Chore::kPrune});
  EXPECT_THAT(Sets(), ElementsAre(second));
}

TEST_F(KeeperTest, NothingIsRemovedOnceTheClockHasJumped) {
  change_spec_ = [](JobSpec& job) { job.retention = {.keep_last = 1, .apply = true}; };
  Start();
  Run();
  Pass(48h);
  clock_.StepWall(365 * 24h);
  Run();
  EXPECT_THAT(Sets(), SizeIs(2));
  EXPECT_EQ(Shown("fettle_retention_blocked", "reason", "clock"), 1);
}

TEST_F(KeeperTest, LeftoversOfDeadRunsGoWhenTheyAreOldAndManifestsThatAreNoneStay) {
  change_spec_ = [](JobSpec& job) { job.retention = {.keep_last = 1, .apply = true}; };
  Start();
  dir_.Write("to/sets/20000101T000000Z-aaaaaa/output.zst", "left");
  dir_.Write("to/sets/20000102T000000Z-aaaaaa/output.zst", "left");
  dir_.Write("to/sets/20000102T000000Z-aaaaaa/manifest.json", "{");
  dir_.Write("to/sets/by-hand/output.zst", "somebody's");
  Run();
  EXPECT_FALSE(std::filesystem::exists(dir_ / "to/sets/20000101T000000Z-aaaaaa"));
  EXPECT_TRUE(std::filesystem::exists(dir_ / "to/sets/20000102T000000Z-aaaaaa/output.zst"));
  EXPECT_TRUE(std::filesystem::exists(dir_ / "to/sets/by-hand/output.zst"));
}

TEST_F(KeeperTest, TheLastGoodSetIsLookedAtAgainBeforeAnotherGoes) {
  Start();
  const std::string old = Run();
  Pass(48h);
  const std::string last = Run();
  const auto place = MakeDirectoryDestination({dir_ / "to"});
  const std::vector<RetainedSet> sets = ToRetain(*Place().catalogue, {});
  RetentionPlan plan =
      PlanRetention(clock_.Now().wall + 48h, sets, {.keep_last = 1, .apply = true}, {true, true});
  ASSERT_THAT(plan.Removals(), ElementsAre(old));
  // Between the plan and its execution somebody takes the last good one.
  std::filesystem::remove(dir_ / ("to/sets/" + last + "/output.zst"));
  EXPECT_THAT(Prune(*place, sets, plan).error().message, HasSubstr("last good set"));
  EXPECT_TRUE(std::filesystem::exists(dir_ / ("to/sets/" + old + "/output.zst")));
  plan.blocked = Blocked::kDryRun;
  EXPECT_EQ(Prune(*place, sets, plan).error().cause, Cause::kConflict);
}

TEST_F(KeeperTest, ThePageOfOneJobAndWhatMayBeAskedOfIt) {
  Start();
  const std::string run = Run();
  const auto post = [&](const std::string& rest) {
    return ServeBackupAction(*backups_, *brain_,
                             {.method = "POST", .url = "/api/fettle/v1/backups/" + rest})
        .status;
  };
  EXPECT_EQ(post("files/verify?set=" + run), 202);
  Settle();
  const HttpResponse page = ServeBackups(*backups_, {.url = "/api/fettle/v1/backups/files"});
  const Result<Json> json = Json::Parse(page.body);
  ASSERT_TRUE(json) << page.body;
  EXPECT_EQ((*json)["job"]["name"].StringOr(""), "files");
  EXPECT_THAT((*json)["said"].StringOr(""), HasSubstr("good to level 2"));
  EXPECT_EQ((*json)["chores_done"].IntegerOr(0), 1);
  const Json set = (*json)["stored"].Items().at(0)["sets"].Items().at(0);
  EXPECT_EQ(set["run_id"].StringOr(""), run);
  EXPECT_TRUE(set["good"].BoolOr(false));
  EXPECT_EQ(ServeBackups(*backups_, {.url = "/api/fettle/v1/backups/other"}).status, 404);
  EXPECT_EQ(post("files/drill"), 404) << "it has none";
  EXPECT_EQ(post("files/dance"), 404);
  EXPECT_EQ(post("other/verify"), 404);
  EXPECT_EQ(post("files/verify?level=9"), 400);
  EXPECT_EQ(post("files/hold?set=../../etc"), 400);
}

}  // namespace
}  // namespace fettle::receivers::backups
