// Runs a backup job again.
//
// Repeatable: a good run since the alert began counts as done, and a run under way is joined, so
// asking again after a crash starts nothing twice. The job verifies what it wrote.
#pragma once

#include "common/brain.h"
#include "receivers/action.h"
#include "receivers/backup_runner.h"

namespace fettle::receivers {

class BackupAction final : public Action {
 public:
  static constexpr Millis kTimeoutDefault{24 * 3'600'000};

  struct Deps {
    Brain& brain;
    BackupRunner* backups = nullptr;  // nullptr: every attempt fails
  };
  explicit BackupAction(Deps deps) : deps_(deps) {}

  const ActionTraits& traits() const override;
  Identity Prepare(const Subject& subject, const Incident& incident,
                   const Container* container) const override;
  Millis DefaultTimeout(const Attempt&) const override { return kTimeoutDefault; }
  void Call(ActionCall call, Finish finish) override;
  void Recover(ActionCall call, Finish finish) override { Call(std::move(call), finish); }

 private:
  Deps deps_;
};

}  // namespace fettle::receivers
