// A sample sink that keeps what it is given, newest last.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "common/sample.h"

namespace fettle {

class RecordedSamples final : public SampleSink {
 public:
  Status Append(const SampleBatch& batch) override {
    const std::lock_guard lock(mutex_);
    batches_.push_back(batch);
    return {};
  }
  std::vector<SampleBatch> Batches() const {
    const std::lock_guard lock(mutex_);
    return batches_;
  }
  // "name{labels} value" of each sample since the last call, stale markers as "stale".
  std::vector<std::string> TakeLines() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> lines;
    for (const SampleBatch& batch : batches_) {
      for (const Sample& sample : batch.samples) {
        lines.push_back(sample.labels.ToString() + " " +
                        (IsStaleNaN(sample.value) ? "stale" : fmt::format("{}", sample.value)));
      }
    }
    batches_.clear();
    return lines;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<SampleBatch> batches_;
};

}  // namespace fettle
