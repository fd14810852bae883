#include "receivers/gates_config.h"

#include <algorithm>

#include "receivers/gates.h"

namespace fettle::receivers {
namespace {

GateSpec ReadGate(yaml::Mapping& mapping, const GateReferences& references) {
  GateSpec gate;
  gate.name = mapping.Require<std::string>("name");
  gate.when = mapping.Get<std::string>("when", "");
  gate.budget = mapping.Get<std::string>("budget", "");
  gate.threshold = mapping.Get<double>("threshold", gate.threshold);
  gate.ttl = mapping.Get<Millis>("ttl", gate.ttl);
  gate.stale_after = mapping.Get<Millis>("stale_after", gate.stale_after);
  gate.allow_stale = mapping.OneOf<bool>("on_stale", false, {{"deny", false}, {"allow", true}});
  if (!gate.when.empty()) {
    if (const Status right = references.check_expression(gate.when); !right) {
      mapping.Complain(mapping.Child("when")->place, "when: " + right.error().message);
    }
  }
  const auto& known = references.budgets;
  if (!gate.budget.empty() && std::find(known.begin(), known.end(), gate.budget) == known.end()) {
    mapping.Complain(mapping.Child("budget")->place,
                     fmt::format("there is no budget {}{}", yaml::Shown(gate.budget),
                                 yaml::Suggestion(gate.budget, known)));
  }
  if (gate.when.empty() && gate.budget.empty()) {
    mapping.Complain(mapping.place(), "a gate needs \"when\", \"budget\" or both");
  }
  if (!(gate.threshold > 0 && gate.threshold <= 1)) {
    mapping.Complain(mapping.Child("threshold")->place, "threshold must be above 0 and at most 1");
  }
  if (gate.ttl <= Millis(0) || gate.ttl > Gates::kTtlMax) {
    mapping.Complain(mapping.Child("ttl")->place, "ttl must be above 0 and at most 30d");
  }
  return gate;
}

}  // namespace

std::vector<GateSpec> ReadGates(yaml::Mapping& receivers, const GateReferences& references) {
  std::vector<GateSpec> gates;
  receivers.ForEach("gates", [&](const yaml::Node& item) {
    yaml::Mapping mapping(item, "receivers.gates", receivers.complaints());
    GateSpec gate = ReadGate(mapping, references);
    const bool twice = std::any_of(gates.begin(), gates.end(),
                                   [&](const GateSpec& other) { return other.name == gate.name; });
    if (twice && !gate.name.empty()) {
      mapping.Complain(mapping.Child("name")->place,
                       fmt::format("there are two gates named {}", yaml::Shown(gate.name)));
    }
    gates.push_back(std::move(gate));
  });
  return gates;
}

}  // namespace fettle::receivers
