// The receivers of a configuration, rehearsed: who would be told of alerts, and what would be
// mended, on a clock that is told. Nobody is told and nothing is touched: every receiver only
// listens, every action succeeds without being done, every configured container is there and runs,
// and what verifies a repair always holds.
//
// One thread. What `fettle test rules` judges notification_test and remediation_test by.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/alert.h"
#include "common/clock.h"
#include "common/result.h"
#include "fettle_config.h"

namespace fettle {

class Rehearsal {
 public:
  struct Told {
    Time at;
    std::string receiver;
    bool firing = true;  // at least one of its alerts
    struct Each {
      Labels labels;
      bool resolved = false;
    };
    std::vector<Each> alerts;
  };
  // An attempt (`held` is false), or what holds one back now.
  struct Mended {
    Time at;
    std::string repair;
    std::string target;
    bool held = false;
    std::string action;  // "restart"
    std::string reason;  // a guard's name, if held
    std::string sentence;
  };

  // The error names templates that cannot be read.
  static Result<std::unique_ptr<Rehearsal>> Make(FettleConfig config, Time begin);
  ~Rehearsal();

  // Time goes on to `at`, timer by timer.
  void PassTo(Time at);
  void Post(std::vector<Alert> alerts);

  // In order of time.
  const std::vector<Told>& told() const;
  // Attempts in order of time, then what is held back now.
  std::vector<Mended> Mends() const;

 private:
  struct Parts;
  explicit Rehearsal(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace fettle
