#include "receivers/backups/drill_config.h"

#include <utility>

#include "receivers/backups/complain.h"

namespace fettle::receivers::backups {
namespace {

DrillCheck ReadCheck(const yaml::Node& node, yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "receivers.backups.drill.checks", complaints);
  DrillCheck check;
  check.sql = mapping.Require<std::string>("sql");
  check.database = mapping.Get<std::string>("database", "");
  check.min = mapping.Find<double>("min");
  check.max = mapping.Find<double>("max");
  check.equals = mapping.Find<std::string>("equals");
  if (!check.min && !check.max && !check.equals) {
    mapping.Complain(node.place, "one of min, max, equals must be given");
  }
  return check;
}

}  // namespace

DrillSpec ReadDrill(const yaml::Node& node, yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "receivers.backups.drill", complaints);
  DrillSpec drill;
  const auto cron = mapping.Get<std::string>("cron", "");
  const auto timezone = mapping.Get<std::string>("timezone", "UTC");
  if (!cron.empty()) {
    Result<Schedule> schedule = Schedule::Parse(cron, timezone);
    if (schedule) {
      drill.schedule = *std::move(schedule);
    } else {
      const bool known = Schedule::Parse(cron, "UTC").has_value();
      ComplainOf(mapping, known ? "timezone" : "cron", schedule.error().message);
    }
  }
  const auto engine = mapping.Get<std::string>("engine", "local");
  if (engine != "local") {
    ComplainOf(mapping, "engine",
               "engine " + yaml::Shown(engine) + " is not supported by this version: local is");
  }
  if (const auto path = mapping.Find<std::string>("key_file")) drill.key = Secret::FromFile(*path);
  drill.directory = mapping.Get<std::string>("directory", "");
  drill.server_dir = mapping.Get<std::string>("server_dir", "");
  drill.user = mapping.Get<std::string>("user", drill.user);
  drill.rto = mapping.Find<Millis>("rto");
  drill.rpo = mapping.Find<Millis>("rpo");
  drill.max_age = mapping.Find<Millis>("max_age");
  drill.timeout = mapping.Get<Millis>("timeout", drill.timeout);
  drill.expect_empty = mapping.Get<bool>("expect_empty", drill.expect_empty);
  drill.heartbeat = mapping.Get<std::string>("heartbeat", "");
  mapping.ForEach("checks", [&](const yaml::Node& item) {
    drill.checks.push_back(ReadCheck(item, complaints));
  });
  (void)mapping.Child("pitr");  // config.cc reads it: it names places
  if (drill.timeout <= Millis(0)) {
    ComplainOf(mapping, "timeout", "timeout must be longer than 0s");
  }
  return drill;
}

}  // namespace fettle::receivers::backups
