#include <algorithm>
#include <set>
#include <utility>

#include "exporter/collectors/configured.h"
#include "exporter/collectors/watch.h"

namespace fettle::exporter {
namespace {

// Listing backups costs more than looking at files, and a repository may be far away.
constexpr Millis kToolEvery{15 * 60'000};
constexpr Millis kToolTimeout{2 * 60'000};
constexpr Millis kObjectsTimeout{60'000};

WatchFiles ReadFiles(yaml::Mapping& mapping) {
  WatchFiles files{mapping.Require<std::string>("glob")};
  if (!files.glob.empty() && !files.glob.starts_with('/')) {
    mapping.Complain(PlaceOf(mapping, "glob"),
                     "glob must begin with /, not be " + yaml::Shown(files.glob));
  }
  return files;
}

WatchObjects ReadObjects(yaml::Mapping& mapping, const Connections& connections) {
  WatchObjects objects;
  std::tie(objects.connection_name, objects.connection) = ReadConnection(mapping, connections.s3);
  objects.bucket = mapping.Require<std::string>("bucket");
  objects.prefix = mapping.Get<std::string>("prefix", "");
  objects.suffix = mapping.Get<std::string>("suffix", "");
  return objects;
}

// A secret that must be given.
Secret Given(yaml::Mapping& mapping, Secret secret, const char* key) {
  if (secret.empty()) mapping.Complain(mapping.place(), fmt::format("\"{}\" is missing", key));
  return secret;
}

void ReadRestic(yaml::Mapping& mapping, WatchTool& tool) {
  tool.secrets["RESTIC_REPOSITORY"] = Given(mapping, mapping.GetSecret("repository"), "repository");
  tool.secrets["RESTIC_PASSWORD"] = Given(mapping, mapping.GetSecret("password"), "password");
  tool.argv.insert(tool.argv.end(), {"snapshots", "--json", "--no-lock"});
  const auto cache = mapping.Get<std::string>("cache_dir", "");
  tool.argv.push_back(cache.empty() ? "--no-cache" : "--cache-dir=" + cache);
  const auto only = [&tool](const char* option, const std::string& value) {
    if (!value.empty()) tool.argv.push_back(option + value);
  };
  only("--host=", mapping.Get<std::string>("host", ""));
  only("--tag=", mapping.Get<std::string>("tag", ""));
  only("--path=", mapping.Get<std::string>("path", ""));
}

void ReadBorg(yaml::Mapping& mapping, WatchTool& tool) {
  tool.secrets["BORG_REPO"] = Given(mapping, mapping.GetSecret("repository"), "repository");
  const Secret passphrase = mapping.GetSecret("passphrase");
  if (!passphrase.empty()) tool.secrets["BORG_PASSPHRASE"] = passphrase;
  tool.argv.insert(tool.argv.end(), {"list", "--json", "--bypass-lock"});
  const auto archives = mapping.Get<std::string>("archives", "");
  if (!archives.empty()) tool.argv.push_back("--glob-archives=" + archives);
  // Nobody is there to be asked, and its times have no zone.
  tool.environment.emplace("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
  tool.environment.emplace("BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes");
  tool.environment["TZ"] = "UTC";
}

void ReadPgbackrest(yaml::Mapping& mapping, WatchTool& tool) {
  tool.subject = mapping.Require<std::string>("stanza");
  const auto config = mapping.Get<std::string>("config_file", "");
  if (!config.empty()) tool.argv.push_back("--config=" + config);
  if (const auto repository = mapping.Find<int>("repository")) {
    tool.argv.push_back("--repo=" + std::to_string(*repository));
  }
  tool.argv.insert(tool.argv.end(), {"--stanza=" + tool.subject, "--output=json",
                                     "--log-level-console=off", "info"});
}

void ReadBarman(yaml::Mapping& mapping, WatchTool& tool) {
  tool.subject = mapping.Require<std::string>("server");
  const auto config = mapping.Get<std::string>("config_file", "");
  if (!config.empty()) tool.argv.insert(tool.argv.end(), {"--config", config});
  tool.argv.insert(tool.argv.end(), {"--format", "json", "list-backups", tool.subject});
}

void ReadWalg(yaml::Mapping& mapping, WatchTool& tool) {
  tool.argv.insert(tool.argv.end(), {"backup-list", "--detail", "--json"});
  const auto config = mapping.Get<std::string>("config_file", "");
  if (!config.empty()) tool.argv.insert(tool.argv.end(), {"--config", config});
}

WatchTool ReadTool(yaml::Mapping& mapping, BackupTool which, const std::string& program,
                   void (*read)(yaml::Mapping&, WatchTool&)) {
  WatchTool tool{.tool = which};
  tool.argv = {mapping.Get<std::string>("program", program)};
  tool.environment = mapping.StringMap("environment");
  for (auto& [name, path] : mapping.StringMap("environment_files")) {
    tool.secrets[name] = Secret::FromFile(path);
  }
  read(mapping, tool);
  // A word that begins with - would be an option of the tool.
  if (tool.subject.starts_with('-')) {
    mapping.Complain(mapping.place(), yaml::Shown(tool.subject) + " cannot be a name here");
  }
  return tool;
}

// What is watched: exactly one of the kinds.
void ReadWhat(yaml::Mapping& mapping, const Connections& connections, WatchConfig& config) {
  std::vector<std::string> given;
  const auto inner = [&](const char* key, const yaml::Node* node, const auto& read) {
    if (node == nullptr) return;
    given.emplace_back(key);
    yaml::Mapping one(*node, fmt::format("exporter.watch.{}", key), mapping.complaints());
    read(one);
  };
  const auto tool = [&](BackupTool which, const char* program, const yaml::Node* node,
                        void (*read)(yaml::Mapping&, WatchTool&)) {
    inner(ToString(which).data(), node, [&](yaml::Mapping& one) {
      config.what = ReadTool(one, which, program, read);
      config.interval = kToolEvery;
      config.timeout = kToolTimeout;
    });
  };
  inner("files", mapping.Child("files"), [&](yaml::Mapping& one) { config.what = ReadFiles(one); });
  inner("s3", mapping.Child("s3"), [&](yaml::Mapping& one) {
    config.what = ReadObjects(one, connections);
    config.interval = kToolEvery;
    config.timeout = kObjectsTimeout;
  });
  tool(BackupTool::kRestic, "restic", mapping.Child("restic"), ReadRestic);
  tool(BackupTool::kBorg, "borg", mapping.Child("borg"), ReadBorg);
  tool(BackupTool::kPgbackrest, "pgbackrest", mapping.Child("pgbackrest"), ReadPgbackrest);
  tool(BackupTool::kBarman, "barman", mapping.Child("barman"), ReadBarman);
  tool(BackupTool::kWalg, "wal-g", mapping.Child("wal_g"), ReadWalg);
  inner("ping", mapping.Child("ping"), [&](yaml::Mapping&) { config.what = WatchPing{}; });
  if (given.size() == 1) return;
  const std::string kinds = "files, s3, restic, borg, pgbackrest, barman, wal_g, ping";
  mapping.Complain(mapping.place(), given.empty()
                                        ? "what is watched is missing: one of " + kinds
                                        : given[0] + " and " + given[1] +
                                              " are two things; watch each by a name of its own");
}

}  // namespace

std::vector<WatchConfig> ReadWatchConfigs(yaml::Mapping& exporter, const Connections& connections) {
  std::vector<WatchConfig> all;
  std::set<std::string> seen;
  exporter.ForEach("watch", [&](const yaml::Node& node) {
    yaml::Mapping mapping(node, "exporter.watch", exporter.complaints());
    WatchConfig config;
    config.name = mapping.Require<std::string>("name");
    if (!config.name.empty() && !seen.insert(config.name).second) {
      mapping.Complain(PlaceOf(mapping, "name"), yaml::Shown(config.name) + " is watched twice");
    }
    ReadWhat(mapping, connections, config);
    config.every = mapping.Get<Millis>("every", config.every);
    config.grace = mapping.Get<Millis>("grace", config.grace);
    if (config.every <= Millis(0)) {
      mapping.Complain(PlaceOf(mapping, "every"), "every must be longer than nothing");
    }
    config.min_bytes = static_cast<std::int64_t>(mapping.Get<std::size_t>("min_bytes", 0));
    config.interval = ReadInterval(mapping, config.interval);
    config.timeout = mapping.Get<Millis>("timeout", config.timeout);
    all.push_back(std::move(config));
  });
  return all;
}

}  // namespace fettle::exporter
