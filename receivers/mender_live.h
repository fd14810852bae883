// An open incident as the mender holds it: the record's value and what only lives in this process.
// Included by mender*.cc alone.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "receivers/mender.h"

namespace fettle::receivers {

struct Mender::Live {
  Incident incident;
  std::vector<Attempt> attempts;  // in order; the last one may be open
  // Of the configuration it works under; kept while an attempt is under way.
  std::shared_ptr<const RepairsConfig> config;
  const RepairSpec* repair = nullptr;  // nullptr: not configured any more
  Subject subject;

  // One thing at a time: a look, a commit, or a call whose outcome is open.
  int approval_asked = -1;  // the pass for which somebody was asked
  bool looking = false;
  bool committing = false;
  bool calling = false;
  bool woken = false;                 // meanwhile
  std::deque<Next> commands;          // a person's, that came meanwhile
  std::vector<LiveAlert> afterwards;  // that came while its end was being stored
  Brain::Ticket timer;
  BootTime wake_at{};
  BootTime not_before{};  // a pause after something was cancelled or could not be stored

  BootTime detected{};      // when it was last opened by an alert
  bool measured = false;    // how long it took from then to the first call
  Container chosen;         // that the open attempt acts on, as last seen
  bool recovering = false;  // the open attempt is one of an earlier process
  BootTime call_began{};
  BootTime call_deadline{};
  BootTime attempt_began{};
  BootTime verify_from{};  // the attempt's end
  std::optional<BootTime> well_since;
  BootTime well_last{};
  std::optional<BootTime> relapsing_since;
  std::optional<BootTime> no_target_since;
  std::set<std::string> container_ids;  // as last seen, with those of what it needs
  // What it needs: why that is not well, and when that was last so.
  std::optional<Facts::Against> dependency;
  std::optional<BootTime> dependency_down_at;

  bool busy() const { return looking || committing || calling; }
  bool stored() const { return incident.version > 0; }
  Attempt* OpenAttempt() {
    if (attempts.empty() || attempts.back().state != AttemptState::kIntent) return nullptr;
    return &attempts.back();
  }
  // The one being verified.
  Attempt* LastAttempt() { return attempts.empty() ? nullptr : &attempts.back(); }
};

}  // namespace fettle::receivers
