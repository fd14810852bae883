#include "receivers/backups/config.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/http.h"

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

template <typename T>
T Named(yaml::Mapping& mapping, const std::map<std::string, T>& known, std::string& name) {
  name = mapping.Require<std::string>("connection");
  const auto at = known.find(name);
  if (at != known.end()) return at->second;
  if (const yaml::Node* node = mapping.Child("connection")) {
    std::vector<std::string> names;
    for (const auto& [one, connection] : known) names.push_back(one);
    mapping.Complain(node->place, fmt::format("there is no connection named \"{}\"{}", name,
                                              yaml::Suggestion(name, names)));
  }
  return {};
}

Source ReadSource(const yaml::Node& node, const Connections& connections,
                  yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "source", complaints);
  const yaml::Node* postgres = mapping.Child("postgres");
  const yaml::Node* command = mapping.Child("command");
  Refuse(mapping, {"mysql", "mariadb", "redis", "directory", "mirror"});
  if ((postgres != nullptr) == (command != nullptr)) {
    mapping.Complain(node.place, "exactly one of postgres, command must be given");
    return CommandSource{};
  }
  if (postgres != nullptr) {
    yaml::Mapping inner(*postgres, "source.postgres", complaints);
    PostgresSource source;
    source.server = Named(inner, connections.postgres, source.connection);
    source.databases = inner.List<std::string>("databases");
    source.globals = inner.Get<bool>("globals", source.globals);
    source.client_dir = inner.Get<std::string>("client_dir", "");
    return source;
  }
  yaml::Mapping inner(*command, "source.command", complaints);
  CommandSource source;
  source.argv = inner.List<std::string>("argv");
  if (source.argv.empty()) inner.Complain(command->place, "\"argv\" is missing");
  source.environment = inner.StringMap("environment");
  source.directory = inner.Get<std::string>("directory", source.directory);
  source.file_name = inner.Get<std::string>("file_name", source.file_name);
  if (source.file_name.empty() || source.file_name.find('/') != std::string::npos ||
      source.file_name.starts_with('.')) {
    inner.Complain(command->place, "file_name must be a plain file name");
  }
  return source;
}

std::optional<Target> ReadTarget(const yaml::Node& node, const Connections& connections,
                                 yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "to", complaints);
  const yaml::Node* directory = mapping.Child("directory");
  const yaml::Node* s3 = mapping.Child("s3");
  if ((directory != nullptr) == (s3 != nullptr)) {
    mapping.Complain(node.place, "exactly one of directory, s3 must be given");
    return std::nullopt;
  }
  if (directory != nullptr) {
    yaml::Mapping inner(*directory, "to.directory", complaints);
    DirectoryTarget target{inner.Require<std::string>("path")};
    if (!target.path.empty() && !target.path.starts_with('/')) {
      inner.Complain(directory->place, "path \"" + target.path + "\" is not absolute");
    }
    while (target.path.size() > 1 && target.path.ends_with('/')) target.path.pop_back();
    return target;
  }
  yaml::Mapping inner(*s3, "to.s3", complaints);
  S3Target target;
  target.server = Named(inner, connections.s3, target.connection);
  target.bucket = inner.Require<std::string>("bucket");
  target.prefix = inner.Get<std::string>("prefix", "");
  while (target.prefix.ends_with('/')) target.prefix.pop_back();
  if (target.prefix.starts_with('/')) inner.Complain(s3->place, "prefix begins with /");
  target.memory_max = inner.Get<std::size_t>("memory_max", target.memory_max);
  if (target.memory_max < S3Target::kMemoryMin) {
    inner.Complain(s3->place, "memory_max is less than 16MiB: it must hold two parts");
  }
  Refuse(inner, {"prune_connection", "storage_class", "sse"});
  return target;
}

std::optional<Schedule> ReadSchedule(const yaml::Node& node, JobSpec& job,
                                     yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "schedule", complaints);
  const auto cron = mapping.Require<std::string>("cron");
  const auto timezone = mapping.Get<std::string>("timezone", "UTC");
  job.catch_up = mapping.OneOf<bool>("catch_up", job.catch_up, {{"once", true}, {"none", false}});
  if (cron.empty()) return std::nullopt;
  Result<Schedule> schedule = Schedule::Parse(cron, timezone);
  if (schedule) return *std::move(schedule);
  mapping.Complain(node.place, schedule.error().message);
  return std::nullopt;
}

JobSpec ReadJob(const yaml::Node& node, const Connections& connections,
                yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "receivers.backups", complaints);
  JobSpec job;
  job.name = mapping.Require<std::string>("name");
  if (const yaml::Node* source = mapping.Child("source")) {
    job.source = ReadSource(*source, connections, complaints);
  } else {
    mapping.Complain(node.place, "\"source\" is missing");
  }
  mapping.ForEach("to", [&](const yaml::Node& item) {
    if (auto target = ReadTarget(item, connections, complaints)) job.to.push_back(*target);
  });
  if (!mapping.Has("to")) mapping.Complain(node.place, "\"to\" is missing");
  if (const yaml::Node* schedule = mapping.Child("schedule")) {
    job.schedule = ReadSchedule(*schedule, job, complaints);
  }
  job.max_runtime = mapping.Get<Millis>("max_runtime", job.max_runtime);
  if (job.max_runtime <= Millis(0)) mapping.Complain(node.place, "max_runtime must be more than 0");
  if (const yaml::Node* retry = mapping.Child("retry")) {
    yaml::Mapping inner(*retry, "retry", complaints);
    job.retry.attempts = inner.Get<int>("attempts", job.retry.attempts);
    job.retry.base = inner.Get<Millis>("base", job.retry.base);
    job.retry.cap = inner.Get<Millis>("cap", job.retry.cap);
    if (job.retry.attempts < 1) inner.Complain(retry->place, "attempts must be at least 1");
    if (job.retry.base > job.retry.cap) inner.Complain(retry->place, "base is more than cap");
  }
  Refuse(mapping, {"encrypt", "retention", "drill", "expect"});
  return job;
}

bool Nested(const std::string& a, const std::string& b) {
  return a == b || a.starts_with(b + "/") || b.starts_with(a + "/");
}

}  // namespace

std::string KindOf(const Source& source) {
  return std::holds_alternative<PostgresSource>(source) ? "postgres" : "command";
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
      receivers.Complain(node.place, "backups has two jobs named \"" + job.name + "\"");
    }
    for (const Target& target : job.to) {
      const std::string place = PlaceOf(target);
      for (const auto& [other, owner] : places) {
        if (!Nested(place, other)) continue;
        receivers.Complain(node.place, fmt::format("{} of \"{}\" lies within {} of \"{}\": each "
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
