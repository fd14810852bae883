// `receivers.gates`: what must be true, and what may be spent, before something expensive begins.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "common/yaml.h"

namespace fettle::receivers {

struct GateSpec {
  std::string name;
  std::string when;    // PromQL; "" is always
  std::string budget;  // of exporter.cost.budgets; "" is none
  double threshold = 1;
  Millis ttl = std::chrono::hours(1);           // of a reservation that does not say
  Millis stale_after = std::chrono::hours(72);  // older data of the budget decide nothing
  bool allow_stale = false;                     // on_stale: allow
};

// What gates refer to.
struct GateReferences {
  std::vector<std::string> budgets;
  std::function<Status(std::string_view expression)> check_expression;
};

// Reads `gates` of the section.
std::vector<GateSpec> ReadGates(yaml::Mapping& receivers, const GateReferences& references);

}  // namespace fettle::receivers
