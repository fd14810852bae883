// What a job's source is made of: the programs whose output is stored, found out before anything
// is written. Blocks; a hand's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/process.h"
#include "common/result.h"
#include "receivers/backups/config.h"
#include "receivers/backups/manifest.h"

namespace fettle::receivers::backups {

// One object to be written, and who writes it.
struct Product {
  std::string object_name;  // without ".zst"
  Format format = Format::kOpaque;
  std::string subject;          // the database it holds, if it is one
  std::int64_t size_bytes = 0;  // an estimate before compression; 0 is unknown
  ProcessSpec process;
  std::vector<int> exit_codes_good = {0};
  // What its output lacks although the program exited 0, by its first and last few KiB; or "".
  std::function<std::string(std::string_view head, std::string_view tail)> missing;
};

struct Plan {
  std::vector<Product> products;
  std::map<std::string, std::string> facts;  // for the manifest: versions, sizes
};

// Looks before the run: the server answers, its databases are there, the client is not older than
// the server (kConflict). No database at all is a failure, not an empty success.
Result<Plan> MakePlan(const Source& source, Millis timeout);
// Of each kind.
Result<Plan> PlanPostgres(const PostgresSource& source, Millis timeout);
Result<Plan> PlanMariadb(const MariadbSource& source, Millis timeout);
Result<Plan> PlanRedis(const RedisSource& source, Millis timeout);
Result<Plan> PlanDirectory(const DirectorySource& source);

// "pg_dump", or "DIR/pg_dump" with a directory.
std::string ProgramIn(const std::string& directory, const std::string& name);

}  // namespace fettle::receivers::backups
