#include "receivers/backups/config.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/duration.h"
#include "common/http.h"
#include "receivers/backups/complain.h"

namespace fettle::receivers::backups {
namespace {

// Keys of the manual that this version does not know yet, told apart from misspelt ones.
void Refuse(yaml::Mapping& mapping, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (const yaml::Node* node = mapping.Child(key)) {
      mapping.Complain(node->place, fmt::format("{} is not supported by this version", key));
    }
  }
}

constexpr std::size_t kNameBytesMax = 64;

// A label, a part of the API's paths and of what a repair is about.
bool IsName(std::string_view text) {
  return text.size() <= kNameBytesMax && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

template <typename T>
T Named(yaml::Mapping& mapping, const std::map<std::string, T>& known, std::string& name,
        const char* key = "connection") {
  name = mapping.Require<std::string>(key);
  const auto at = known.find(name);
  if (at != known.end()) return at->second;
  if (!name.empty()) {
    std::vector<std::string> names;
    for (const auto& [one, connection] : known) names.push_back(one);
    ComplainOf(mapping, key,
               fmt::format("there is no connection named {}{}", yaml::Shown(name),
                           yaml::Suggestion(name, names)));
  }
  return {};
}

// A name that stays below the directory it is put in.
bool IsPlainName(const std::string& name) {
  return !name.empty() && name.find('/') == std::string::npos && !name.starts_with('.');
}

Source ReadPostgres(const yaml::Node& node, const Connections& connections,
                    yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "receivers.backups.source.postgres", complaints);
  PostgresSource source;
  source.server = Named(mapping, connections.postgres, source.connection);
  source.databases = mapping.List<std::string>("databases");
  source.globals = mapping.Get<bool>("globals", source.globals);
  source.physical = mapping.Get<bool>("physical", source.physical);
  source.client_dir = mapping.Get<std::string>("client_dir", "");
  if (source.physical && !source.databases.empty()) {
    ComplainOf(mapping, "databases",
               "physical is of the whole cluster: databases cannot be chosen");
  }
  return source;
}

Source ReadMariadb(const yaml::Node& node, bool mysql, yaml::Complaints& complaints) {
  yaml::Mapping mapping(
      node, mysql ? "receivers.backups.source.mysql" : "receivers.backups.source.mariadb",
      complaints);
  MariadbSource source;
  source.mysql = mysql;
  source.host = mapping.Get<std::string>("host", source.host);
  source.port = mapping.Get<int>("port", source.port);
  source.socket = mapping.Get<std::string>("socket", "");
  source.user = mapping.Get<std::string>("user", source.user);
  source.password = mapping.GetSecret("password");
  source.databases = mapping.List<std::string>("databases");
  source.globals = mapping.Get<bool>("globals", source.globals);
  source.client_dir = mapping.Get<std::string>("client_dir", "");
  if (source.port < 1 || source.port > 65'535) {
    ComplainOf(mapping, "port", fmt::format("port must be 1 to 65535, not {}", source.port));
  }
  return source;
}

Source ReadDirectory(const yaml::Node& node, yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "receivers.backups.source.directory", complaints);
  DirectorySource source;
  source.path = mapping.Require<std::string>("path");
  source.exclude = mapping.List<std::string>("exclude");
  source.changing = mapping.Get<bool>("changing", source.changing);
  if (!source.path.empty() && !source.path.starts_with('/')) {
    ComplainOf(mapping, "path", "path must be absolute, not " + yaml::Shown(source.path));
  }
  return source;
}

Source ReadCommand(const yaml::Node& node, yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "receivers.backups.source.command", complaints);
  CommandSource source;
  source.argv = mapping.List<std::string>("argv");
  if (!mapping.Has("argv")) mapping.Complain(node.place, "\"argv\" is missing");
  if (mapping.Has("argv") && source.argv.empty()) ComplainOf(mapping, "argv", "\"argv\" is empty");
  source.environment = mapping.StringMap("environment");
  source.directory = mapping.Get<std::string>("directory", source.directory);
  source.file_name = mapping.Get<std::string>("file_name", source.file_name);
  if (!IsPlainName(source.file_name)) {
    ComplainOf(mapping, "file_name",
               "file_name must be a plain file name, not " + yaml::Shown(source.file_name));
  }
  return source;
}

Source ReadSource(const yaml::Node& node, const Connections& connections,
                  yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "receivers.backups.source", complaints);
  std::vector<Source> found;
  if (const yaml::Node* one = mapping.Child("postgres")) {
    found.push_back(ReadPostgres(*one, connections, complaints));
  }
  if (const yaml::Node* one = mapping.Child("mariadb")) {
    found.push_back(ReadMariadb(*one, false, complaints));
  }
  if (const yaml::Node* one = mapping.Child("mysql")) {
    found.push_back(ReadMariadb(*one, true, complaints));
  }
  if (const yaml::Node* one = mapping.Child("redis")) {
    yaml::Mapping inner(*one, "receivers.backups.source.redis", complaints);
    RedisSource source;
    source.server = Named(inner, connections.redis, source.connection);
    found.push_back(std::move(source));
  }
  if (const yaml::Node* one = mapping.Child("directory")) {
    found.push_back(ReadDirectory(*one, complaints));
  }
  if (const yaml::Node* one = mapping.Child("command")) {
    found.push_back(ReadCommand(*one, complaints));
  }
  Refuse(mapping, {"mirror"});
  if (found.size() == 1) return found.front();
  mapping.Complain(node.place,
                   "exactly one of postgres, mariadb, mysql, redis, directory, command must be "
                   "given");
  return CommandSource{};
}

std::optional<Target> ReadTarget(const yaml::Node& node, const Connections& connections,
                                 yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "receivers.backups.to", complaints);
  const yaml::Node* directory = mapping.Child("directory");
  const yaml::Node* s3 = mapping.Child("s3");
  if ((directory != nullptr) == (s3 != nullptr)) {
    mapping.Complain(node.place, "exactly one of directory, s3 must be given");
    return std::nullopt;
  }
  if (directory != nullptr) {
    yaml::Mapping inner(*directory, "receivers.backups.to.directory", complaints);
    DirectoryTarget target{inner.Require<std::string>("path")};
    if (!target.path.empty() && !target.path.starts_with('/')) {
      ComplainOf(inner, "path", "path must be absolute, not " + yaml::Shown(target.path));
    }
    while (target.path.size() > 1 && target.path.ends_with('/')) target.path.pop_back();
    return target;
  }
  yaml::Mapping inner(*s3, "receivers.backups.to.s3", complaints);
  S3Target target;
  target.server = Named(inner, connections.s3, target.connection);
  target.bucket = inner.Require<std::string>("bucket");
  target.prefix = inner.Get<std::string>("prefix", "");
  while (target.prefix.ends_with('/')) target.prefix.pop_back();
  if (target.prefix.starts_with('/')) {
    ComplainOf(inner, "prefix", "prefix must not begin with /, as " + yaml::Shown(target.prefix));
  }
  target.memory_max = inner.Get<std::size_t>("memory_max", target.memory_max);
  if (target.memory_max < S3Target::kMemoryMin) {
    ComplainOf(inner, "memory_max", "memory_max is less than 16MiB: it must hold two parts");
  }
  if (inner.Has("prune_connection")) {
    target.pruner = Named(inner, connections.s3, target.prune_connection, "prune_connection");
  }
  Refuse(inner, {"storage_class", "sse"});
  return target;
}

std::optional<PitrSpec> ReadPitr(const yaml::Node& node, const Source& source,
                                 const Connections& connections, yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "receivers.backups.drill.pitr", complaints);
  const auto* postgres = std::get_if<PostgresSource>(&source);
  if (postgres == nullptr || !postgres->physical) {
    mapping.Complain(node.place, "recovery to a moment needs source.postgres.physical");
  }
  PitrSpec pitr;
  const yaml::Node* wal = mapping.Child("wal");
  if (wal == nullptr) mapping.Complain(node.place, "\"wal\" is missing: where the archive is");
  const auto target = wal == nullptr ? std::nullopt : ReadTarget(*wal, connections, complaints);
  pitr.role = mapping.Get<std::string>("role", pitr.role);
  pitr.database = mapping.Get<std::string>("database", pitr.database);
  pitr.table = mapping.Get<std::string>("table", pitr.table);
  pitr.every = mapping.Get<Millis>("every", pitr.every);
  if (!target) return std::nullopt;
  pitr.wal = *target;
  return pitr;
}

std::optional<Schedule> ReadSchedule(const yaml::Node& node, JobSpec& job,
                                     yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "receivers.backups.schedule", complaints);
  const auto cron = mapping.Require<std::string>("cron");
  const auto timezone = mapping.Get<std::string>("timezone", "UTC");
  job.catch_up = mapping.OneOf<bool>("catch_up", job.catch_up, {{"once", true}, {"none", false}});
  if (cron.empty()) return std::nullopt;
  Result<Schedule> schedule = Schedule::Parse(cron, timezone);
  if (schedule) return *std::move(schedule);
  const bool known = Schedule::Parse(cron, "UTC").has_value();
  ComplainOf(mapping, known ? "timezone" : "cron", schedule.error().message);
  return std::nullopt;
}

// What makes a backup one that can be trusted.
void ReadCare(yaml::Mapping& mapping, const Connections& connections, JobSpec& job) {
  if (const yaml::Node* encrypt = mapping.Child("encrypt")) {
    yaml::Mapping inner(*encrypt, "receivers.backups.encrypt", mapping.complaints());
    // A key in the configuration would be copied with it.
    job.seal_key = Secret::FromFile(inner.Require<std::string>("key_file"));
  }
  job.verify_level = mapping.Get<int>("verify_level", job.verify_level);
  if (job.verify_level < 1 || job.verify_level > 3) {
    ComplainOf(mapping, "verify_level",
               fmt::format("verify_level must be 1, 2 or 3, not {}", job.verify_level));
  }
  if (const yaml::Node* expect = mapping.Child("expect")) {
    yaml::Mapping inner(*expect, "receivers.backups.expect", mapping.complaints());
    job.min_bytes = static_cast<std::int64_t>(inner.Get<std::size_t>("min_bytes", 0));
    job.max_shrink = inner.Get<double>("max_shrink", job.max_shrink);
    if (job.max_shrink <= 0 || job.max_shrink >= 1) {
      ComplainOf(inner, "max_shrink",
                 fmt::format("max_shrink must be between 0 and 1, not {}", job.max_shrink));
    }
  }
  const std::string timezone = job.schedule ? job.schedule->timezone() : "UTC";
  if (const yaml::Node* retention = mapping.Child("retention")) {
    job.retention = ReadRetention(*retention, timezone, mapping.complaints());
  }
  if (const yaml::Node* drill = mapping.Child("drill")) {
    job.drill = ReadDrill(*drill, mapping.complaints());
    if (const yaml::Node* pitr = drill->Find("pitr")) {
      job.pitr = ReadPitr(*pitr, job.source, connections, mapping.complaints());
    }
  }
}

JobSpec ReadJob(const yaml::Node& node, const Connections& connections,
                yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "receivers.backups", complaints);
  JobSpec job;
  job.name = mapping.Require<std::string>("name");
  if (!IsName(job.name)) {
    ComplainOf(mapping, "name",
               "name " + yaml::Shown(job.name) +
                   " must be 1 to 64 of letters, digits, \"_\", \"-\" and \".\"");
  }
  if (const yaml::Node* source = mapping.Child("source")) {
    job.source = ReadSource(*source, connections, complaints);
  } else {
    mapping.Complain(node.place, "\"source\" is missing");
  }
  mapping.ForEach("to", [&](const yaml::Node& item) {
    if (auto target = ReadTarget(item, connections, complaints)) job.to.push_back(*target);
  });
  const yaml::Node* to = mapping.Child("to");
  if (to == nullptr) mapping.Complain(node.place, "\"to\" is missing");
  if (to != nullptr && to->kind != yaml::Node::Kind::kMapping && to->items.empty()) {
    mapping.Complain(to->place, "\"to\" is empty: a backup needs a place");
  }
  if (const yaml::Node* schedule = mapping.Child("schedule")) {
    job.schedule = ReadSchedule(*schedule, job, complaints);
  }
  job.max_runtime = mapping.Get<Millis>("max_runtime", job.max_runtime);
  if (job.max_runtime <= Millis(0)) {
    ComplainOf(mapping, "max_runtime", "max_runtime must be longer than 0s");
  }
  if (const yaml::Node* retry = mapping.Child("retry")) {
    yaml::Mapping inner(*retry, "receivers.backups.retry", complaints);
    job.retry.attempts = inner.Get<int>("attempts", job.retry.attempts);
    job.retry.base = inner.Get<Millis>("base", job.retry.base);
    job.retry.cap = inner.Get<Millis>("cap", job.retry.cap);
    if (job.retry.attempts < 1) {
      ComplainOf(inner, "attempts",
                 fmt::format("attempts must be at least 1, not {}", job.retry.attempts));
    }
    if (job.retry.base > job.retry.cap) {
      ComplainOf(inner, "base",
                 fmt::format("base {} is longer than cap {}", FormatDuration(job.retry.base),
                             FormatDuration(job.retry.cap)));
    }
  }
  ReadCare(mapping, connections, job);
  return job;
}

bool Nested(const std::string& a, const std::string& b) {
  return a == b || a.starts_with(b + "/") || b.starts_with(a + "/");
}

}  // namespace

std::string KindOf(const Source& source) {
  struct Names {
    std::string operator()(const PostgresSource&) const { return "postgres"; }
    std::string operator()(const MariadbSource& one) const {
      return one.mysql ? "mysql" : "mariadb";
    }
    std::string operator()(const RedisSource&) const { return "redis"; }
    std::string operator()(const DirectorySource&) const { return "directory"; }
    std::string operator()(const CommandSource&) const { return "command"; }
  };
  return std::visit(Names{}, source);
}

std::string PlaceOf(const Target& target) {
  if (const auto* directory = std::get_if<DirectoryTarget>(&target)) return directory->path;
  const auto& s3 = std::get<S3Target>(target);
  return "s3://" + s3.bucket + (s3.prefix.empty() ? "" : "/" + s3.prefix);
}

std::vector<JobSpec> ReadBackups(yaml::Mapping& receivers, const Connections& connections) {
  std::vector<JobSpec> jobs;
  std::vector<std::pair<std::string, std::string>> places;  // and whose they are
  receivers.ForEach("backups", [&](const yaml::Node& node) {
    JobSpec job = ReadJob(node, connections, receivers.complaints());
    const bool known = std::any_of(jobs.begin(), jobs.end(),
                                   [&](const JobSpec& other) { return other.name == job.name; });
    if (known) {
      const yaml::Node* name = node.Find("name");
      receivers.Complain(name == nullptr ? node.place : name->place,
                         "backups has two jobs named " + yaml::Shown(job.name));
    }
    for (const Target& target : job.to) {
      const std::string place = PlaceOf(target);
      for (const auto& [other, owner] : places) {
        if (!Nested(place, other)) continue;
        const yaml::Node* to = node.Find("to");
        receivers.Complain(to == nullptr ? node.place : to->place,
                           fmt::format("{} of \"{}\" lies within {} of \"{}\": each "
                                       "job needs a place of its own",
                                       place, job.name, other, owner));
      }
      places.emplace_back(place, job.name);
    }
    jobs.push_back(std::move(job));
  });
  return jobs;
}

}  // namespace fettle::receivers::backups
