// Silences and time intervals as the test says.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "receivers/consumer.h"

namespace fettle::receivers {

class FakeQuiet final : public Quiet {
 public:
  std::optional<std::string> Why(const Labels& labels, const Moment&) override {
    const auto found = silenced.find(std::string(labels.Get("alertname")));
    if (found == silenced.end()) return std::nullopt;
    return found->second;
  }
  bool InTimeInterval(const std::string& name, const Moment&) override {
    return intervals.contains(name);
  }

  std::map<std::string, std::string> silenced;  // alertname → why
  std::set<std::string> intervals;              // that it is in now
};

}  // namespace fettle::receivers
