// An alert sink that keeps what it is given and answers as the test says.
#pragma once

#include <utility>
#include <vector>

#include "common/alert.h"

namespace fettle {

class FakeAlertSink final : public AlertSink {
 public:
  void Post(AlertBatch batch, Then then) override {
    batches.push_back(std::move(batch));
    if (silent) {
      kept.push_back(std::move(then));
    } else {
      then(answer);
    }
  }
  std::vector<AlertBatch> batches;
  Status answer;
  bool silent = false;  // nobody is told
  std::vector<Then> kept;
};

}  // namespace fettle
