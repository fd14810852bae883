// Backup jobs that end when and how the test says.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/brain.h"
#include "receivers/backup_runner.h"

namespace fettle::receivers {

class FakeBackupRunner final : public BackupRunner {
 public:
  explicit FakeBackupRunner(Brain& brain) : brain_(&brain) {}
  // After a restart of the process under test: a run under way is lost with it.
  void MoveTo(Brain& brain) {
    brain_ = &brain;
    running.clear();
  }
  struct Waiting {
    std::string name;
    std::string reason;
    Time since;
    Then then;
  };
  bool Knows(const std::string& name) const override { return known.contains(name); }
  std::vector<std::string> Running() const override {
    std::vector<std::string> names = busy;
    for (const Waiting& run : running) names.push_back(run.name);
    return names;
  }
  // A good run after `since` converges at once, as the contract says; otherwise the run waits for
  // End.
  void Run(const std::string& name, const std::string& reason, Time since, Then then) override {
    asked.push_back(name);
    if (last_good > since) {
      brain_->Finish([then = std::move(then)](const Moment& now) {
        then(BackupOutcome{"earlier", true, "an earlier run ended well"}, now);
      });
      return;
    }
    if (running.empty()) started.push_back(name);
    running.push_back({name, reason, since, std::move(then)});
  }
  void End(Result<BackupOutcome> outcome, const Moment& now) {
    if (outcome) last_good = now.wall;
    std::vector<Waiting> ended = std::move(running);
    running.clear();
    for (Waiting& run : ended) run.then(outcome, now);
  }

  std::set<std::string> known{"leads-db"};
  std::vector<std::string> busy;     // runs that nobody here asked for
  std::vector<std::string> asked;    // every call
  std::vector<std::string> started;  // runs that really began
  std::vector<Waiting> running;
  Time last_good{};

 private:
  Brain* brain_;
};

}  // namespace fettle::receivers
