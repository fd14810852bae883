// From an alert to the containers it is about.
//
// Choose() decides, on the brain and without asking anybody, which target an alert means for a
// repair: alert labels only ever select among configured targets, by equality. Resolve() asks the
// engine, on a hand, which containers that is now. An empty, failed or unknown selector is nothing,
// never everything.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/engine.h"
#include "common/labels.h"
#include "common/result.h"
#include "receivers/backup_runner.h"
#include "receivers/incidents.h"
#include "receivers/repairs_config.h"

namespace fettle::receivers {

// What one incident is about. `name` is its name in records, metrics and the API: a configured
// target's ("web"), a labelled service's ("shop/db"), "backup/leads-db", or "host" for a repair
// that only runs a program. A value, safe to hand to another thread.
struct Subject {
  std::string name;
  std::optional<TargetSpec> containers;  // with project and service filled in
  std::string backup;

  bool HasContainers() const { return containers.has_value(); }
  int StopTimeout(const Container& container) const;
};

// Labels that people put on containers.
inline constexpr char kLabelMend[] = "fettle.mend";            // may be repaired; "false": may not
inline constexpr char kLabelProtected[] = "fettle.protected";  // may never be repaired
inline constexpr char kLabelHold[] = "fettle.hold";            // may not be repaired now
// Set, and not to "false", "no", "0" or "off".
bool LabelSaysYes(const Container& container, const std::string& label);
bool LabelSaysNo(const Container& container, const std::string& label);

class Targets {
 public:
  static constexpr std::size_t kInstancesMax = 1'000;  // of one target; the rest is left alone

  struct Deps {
    std::map<std::string, Engine*> engines;  // by connection
    const BackupRunner* backups = nullptr;   // nullptr: no backups
  };
  explicit Targets(Deps deps) : deps_(std::move(deps)) {}

  // kNotFound: the alert's labels name nothing that is configured.
  Result<Subject> Choose(const RepairsConfig& config, const RepairSpec& repair,
                         const Labels& alert) const;
  // The subject of an incident of an earlier process, by its name.
  std::optional<Subject> FromName(const RepairsConfig& config, const RepairSpec& repair,
                                  const std::string& name) const;

  // The subject's containers in a fixed order (by number, then name), without one-off, hook and
  // auto-removed ones. Nothing found is an empty list. Blocks.
  Result<std::vector<Container>> Resolve(const Subject& subject) const;
  Engine* EngineOf(const std::string& connection) const;

 private:
  Deps deps_;
};

// Whether the engine itself sees something wrong with it.
bool LooksSick(const Container& container);
// Running, and healthy if it has a health check.
bool LooksWell(const Container& container);

// The containers that alerts point at: if each live trigger names one of them (label `container` or
// `name`), only those; otherwise all. D17: a sick replica is repaired, its siblings are not.
std::vector<Container> Narrow(const std::vector<Container>& containers, const Incident& incident);

}  // namespace fettle::receivers
