// The action that runs a backup job again: asked with the alert's beginning, joined after a crash,
// and what its outcomes say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "receivers/actions/backup.h"
#include "tests/support/fake_backup_runner.h"
#include "tests/support/manual_clock.h"

namespace fettle::receivers {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class BackupActionTest : public testing::Test {
 protected:
  // The attempt as its intent is committed.
  ActionCall Prepared(const std::string& backup) {
    Incident incident{.id = "i-1", .opened_at = began_ + 1s};
    incident.triggers = {{.starts_at = began_}};
    ActionCall call;
    call.attempt.incident = "i-1";
    call.attempt.repair = "retry-backup";
    call.attempt.identity =
        action_.Prepare({.name = "backup/" + backup, .backup = backup}, incident, nullptr);
    return call;
  }
  Action::Finish Keep() {
    return [this](Step step, const Moment&) { steps_.push_back(std::move(step)); };
  }
  void Settle() { brain_.RunUntil(clock_.Now()); }

  ManualClock clock_;
  Brain brain_;
  FakeBackupRunner runner_{brain_};
  BackupAction action_{{.brain = brain_, .backups = &runner_}};
  const Time began_ = clock_.Now().wall;
  std::vector<Step> steps_;
};

TEST_F(BackupActionTest, RunsTheJobAndSaysWhatCameOfIt) {
  EXPECT_EQ(action_.traits().kind, "backup");
  EXPECT_FALSE(action_.traits().on_container);
  EXPECT_TRUE(action_.traits().counted);
  action_.Call(Prepared("leads-db"), Keep());
  ASSERT_EQ(runner_.running.size(), 1U);
  EXPECT_EQ(runner_.running[0].since, began_) << "the alert's beginning";
  EXPECT_THAT(runner_.running[0].reason, HasSubstr("retry-backup"));
  EXPECT_TRUE(steps_.empty());
  runner_.End(BackupOutcome{"r1", false, "run r1 wrote 2 MiB"}, clock_.Now());
  ASSERT_EQ(steps_.size(), 1U);
  EXPECT_EQ(steps_[0].kind, Step::Kind::kOutcome);
  EXPECT_EQ(steps_[0].outcome, AttemptState::kDone);
  EXPECT_EQ(steps_[0].note, "run r1 wrote 2 MiB");
}

TEST_F(BackupActionTest, AFailedRunIsAFailedAttempt) {
  action_.Call(Prepared("leads-db"), Keep());
  runner_.End(Fail("disk full"), clock_.Now());
  ASSERT_EQ(steps_.size(), 1U);
  EXPECT_EQ(steps_[0].outcome, AttemptState::kFailed);
  EXPECT_EQ(steps_[0].note, "disk full");
}

TEST_F(BackupActionTest, AGoodRunSinceTheAlertBeganIsDoneAlready_V10) {
  runner_.last_good = began_ + 1s;
  action_.Call(Prepared("leads-db"), Keep());
  Settle();
  ASSERT_EQ(steps_.size(), 1U);
  EXPECT_EQ(steps_[0].outcome, AttemptState::kConverged);
  EXPECT_TRUE(runner_.started.empty());
}

TEST_F(BackupActionTest, AfterACrashTheSameQuestionStartsNothingTwice) {
  const ActionCall call = Prepared("leads-db");
  action_.Call(call, [](Step, const Moment&) { FAIL() << "that process is gone"; });
  Brain next_brain;
  runner_.MoveTo(next_brain);
  runner_.last_good = began_ + 5s;  // the run ended well after all
  BackupAction next({.brain = next_brain, .backups = &runner_});
  next.Recover(call, Keep());
  next_brain.RunUntil(clock_.Now());
  ASSERT_EQ(steps_.size(), 1U);
  EXPECT_EQ(steps_[0].outcome, AttemptState::kConverged);
  EXPECT_THAT(runner_.started, ElementsAre("leads-db"));
}

TEST_F(BackupActionTest, AJobThatIsNotConfiguredAnyMoreIsAFailure) {
  action_.Call(Prepared("gone"), Keep());
  Settle();
  BackupAction without({.brain = brain_});
  without.Call(Prepared("leads-db"), Keep());
  Settle();
  ASSERT_EQ(steps_.size(), 2U);
  EXPECT_EQ(steps_[0].outcome, AttemptState::kFailed);
  EXPECT_EQ(steps_[0].note, "no backup is named \"gone\"");
  EXPECT_EQ(steps_[1].outcome, AttemptState::kFailed);
  EXPECT_TRUE(runner_.asked.empty());
}

}  // namespace
}  // namespace fettle::receivers
