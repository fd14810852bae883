// One job named "files" over hours in milliseconds: the clock is the test's, the store is in
// memory, the programs and the directory are real.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "receivers/backups/backups.h"
#include "receivers/backups/backups_api.h"
#include "tests/support/inline_hands.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/recorded_log.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temp_dir.h"

namespace fettle::receivers::backups {

using namespace std::chrono_literals;
using testing::HasSubstr;

class NoPublisher final : public Publisher {
 public:
  void Publish(const Collector&, std::vector<MetricFamily> families, const Moment&) override {
    last = std::move(families);
    ++times;
  }
  std::vector<MetricFamily> last;
  int times = 0;
};

// One job named "files", whose script the test writes.
class BackupsTest : public testing::Test {
 protected:
  BackupsTest() { Says("echo whole"); }

  void Says(const std::string& script) { dir_.Write("script", script); }
  JobSpec Spec() {
    JobSpec job;
    job.name = "files";
    CommandSource source;
    source.argv = {"/bin/sh", dir_ / "script"};
    job.source = source;
    job.to = {DirectoryTarget{dir_ / "to"}};
    job.retry = {.attempts = attempts_, .base = 10s, .cap = 60s};
    if (!cron_.empty()) job.schedule = *Schedule::Parse(cron_, "UTC");
    if (change_spec_) change_spec_(job);
    return job;
  }
  // Puts another job in the place of what there is, with the same store.
  void StartJob(const JobSpec& spec) {
    backups_ = std::make_unique<Backups>(
        Backups::Deps{.brain = *brain_,
                      .hands = hands_,
                      .clock = clock_,
                      .random = random_,
                      .store = store_,
                      .metrics = metrics_,
                      .log = log_.For("backup"),
                      .publisher = publisher_,
                      .open =
                          [](const Target& target, std::stop_token) {
                            return MakeDirectoryDestination(std::get<DirectoryTarget>(target));
                          }},
        std::vector{spec});
    ASSERT_TRUE(backups_->Start(clock_.Now()));
  }

  // The process starts: anew, or after a crash.
  void Start() {
    brain_ = std::make_unique<Brain>();
    hands_.Drop();
    store_.Restart();
    StartJob(Spec());
    Settle();
  }
  void Settle() {
    do {
      brain_->RunUntil(clock_.Now());
    } while (hands_.Work() > 0);
    brain_->RunUntil(clock_.Now());
  }
  void Pass(Micros d) {
    clock_.Pass(d);
    Settle();
  }
  JobView View() { return backups_->View().at(0); }
  double Runs(const std::string& result) { return View().state.runs.at(result); }
  // Asks as the mender does; the answer as a word and its sentence.
  void Ask(Time since) {
    backups_->Run("files", "BackupFailed fires", since,
                  [this](const Result<BackupOutcome>& outcome, const Moment&) {
                    answers_.push_back(!outcome             ? "failed: " + outcome.error().message
                                       : outcome->converged ? "converged: " + outcome->sentence
                                                            : "ran: " + outcome->sentence);
                  });
  }

  std::function<void(JobSpec&)> change_spec_;
  std::string cron_;
  int attempts_ = 1;
  ManualClock clock_;
  std::unique_ptr<Brain> brain_;
  InlineHands hands_;
  SeededRandom random_;
  MemoryStore store_{clock_};
  Metrics metrics_;
  RecordedLog log_;
  NoPublisher publisher_;
  TempDir dir_;
  std::unique_ptr<Backups> backups_;
  std::vector<std::string> answers_;
};

}  // namespace fettle::receivers::backups
