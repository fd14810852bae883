// `drill`: how it is proven, again and again, that what is stored can be restored. Values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/schedule.h"
#include "common/secret.h"
#include "common/yaml.h"

namespace fettle::receivers::backups {

// A question to the restored server, and what its first value must be.
struct DrillCheck {
  std::string sql;       // for Redis a command in words
  std::string database;  // "": the first that was restored
  std::optional<double> min;
  std::optional<double> max;
  std::optional<std::string> equals;
};

struct DrillSpec {
  std::optional<Schedule> schedule;
  Secret key;              // the escrowed copy of the key; empty: the job's own
  std::string directory;   // where the scratch server lives; "": the system's temporary directory
  std::string server_dir;  // where initdb, mariadbd or redis-server are; "": found
  std::string user = "nobody";  // who runs the scratch server if fettle is root
  std::optional<Millis> rto;    // objectives
  std::optional<Millis> rpo;
  std::optional<Millis> max_age;  // of what counts as proven; unset: twice the schedule's gap
  Millis timeout{3'600'000};
  bool expect_empty = false;  // no table is no failure
  std::string heartbeat;      // SQL for the newest moment that was kept, in seconds since 1970
  std::vector<DrillCheck> checks;
};

DrillSpec ReadDrill(const yaml::Node& node, yaml::Complaints& complaints);

}  // namespace fettle::receivers::backups
