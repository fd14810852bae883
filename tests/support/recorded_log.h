// A log that keeps its lines for the test to read.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "common/log.h"
#include "tests/support/manual_clock.h"

namespace fettle {

class RecordedLog {
 public:
  RecordedLog()
      : writer_(clock_,
                [this](std::string_view line) {
                  const std::lock_guard lock(mutex_);
                  lines_.emplace_back(line);
                },
                {.level = LogLevel::kDebug, .format = LogFormat::kLogfmt}) {}

  LogWriter& writer() { return writer_; }
  Log For(std::string component) { return Log(writer_, std::move(component)); }
  std::vector<std::string> Lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  bool Contains(std::string_view text) const {
    for (const std::string& line : Lines()) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }

 private:
  ManualClock clock_;
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
  LogWriter writer_;
};

}  // namespace fettle
