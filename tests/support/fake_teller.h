// A teller that keeps what it was told.
#pragma once

#include <deque>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/brain.h"
#include "receivers/teller.h"

namespace fettle::receivers {

class FakeTeller final : public Teller {
 public:
  struct Told {
    std::string receiver;
    std::string group;
    std::vector<Alert> alerts;
  };
  explicit FakeTeller(Brain& brain) : brain_(&brain) {}
  // After a restart of the process under test.
  void MoveTo(Brain& brain) { brain_ = &brain; }

  bool Knows(const std::string& receiver) const override { return known.contains(receiver); }
  void Tell(const std::string& receiver, const std::string& group, std::vector<Alert> alerts,
            Millis, Then then) override {
    Status status;
    if (failures > 0) {
      --failures;
      status = Fail(Cause::kUnavailable, "{} cannot be reached", receiver);
    } else {
      told.push_back({receiver, group, std::move(alerts)});
    }
    brain_->Finish([then = std::move(then), status](const Moment& now) { then(status, now); });
  }

  std::set<std::string> known{"oncall"};
  int failures = 0;  // so many calls from now on fail
  std::vector<Told> told;

 private:
  Brain* brain_;
};

}  // namespace fettle::receivers
