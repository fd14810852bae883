// Who is to be scraped or told: lists in the configuration, in files, in the DNS and by a container
// engine, in the words of Prometheus' *_sd_configs, with its __meta_ labels.
//
// Source: prometheus.io/docs/prometheus/latest/configuration/configuration (3.5). Configurations
// are values; a Discovery belongs to the brain, and its looking to hands.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/brain.h"
#include "common/clock.h"
#include "common/connections.h"
#include "common/engine.h"
#include "common/hands.h"
#include "common/labels.h"
#include "common/log.h"
#include "common/name_lookup.h"
#include "common/yaml.h"

namespace fettle {

inline constexpr std::string_view kAddressLabel = "__address__";

// Targets that were found together. Each has an __address__; the group's labels are each one's, but
// its own win.
struct TargetGroup {
  std::string source;
  Labels labels;
  std::vector<Labels> targets;
  bool operator==(const TargetGroup&) const = default;

  // Every target with the group's labels.
  std::vector<Labels> Whole() const;
};

struct FileDiscovery {
  std::vector<std::string> patterns;  // absolute; * in the last part
  Millis refresh = std::chrono::minutes(5);
};
struct DnsDiscovery {
  std::vector<std::string> names;
  NameLookup::Kind kind = NameLookup::Kind::kSrv;
  int port = 0;  // of all kinds but SRV
  Millis refresh = std::chrono::seconds(30);
};
struct DockerDiscovery {
  std::string name;  // of the connection, or the endpoint
  DockerConnection connection;
  std::vector<std::string> label_filters;
  int port = 80;  // of a container that exposes none
  std::string host_networking_host = "localhost";
  bool match_first_network = true;
  Millis refresh = std::chrono::seconds(60);
};

struct DiscoveryConfig {
  std::vector<TargetGroup> fixed;
  std::vector<FileDiscovery> files;
  std::vector<DnsDiscovery> dns;
  std::vector<DockerDiscovery> docker;
};

// static_configs, file_sd_configs, dns_sd_configs and docker_sd_configs of a mapping. Other
// discoveries of Prometheus are complained about as not supported.
DiscoveryConfig ReadDiscovery(yaml::Mapping& m, const std::string& directory,
                              const Connections& connections);

// One way to find targets. Looks on a hand, never twice at once; an error leaves what was known.
class Discoverer {
 public:
  virtual ~Discoverer() = default;
  virtual Result<std::vector<TargetGroup>> Find() = 0;
  // For messages: "file_sd /etc/targets/*.yml".
  virtual std::string Name() const = 0;
};
std::unique_ptr<Discoverer> MakeFileDiscoverer(FileDiscovery config);
std::unique_ptr<Discoverer> MakeDnsDiscoverer(DnsDiscovery config, const NameLookup& lookup);
std::unique_ptr<Discoverer> MakeDockerDiscoverer(DockerDiscovery config,
                                                 std::unique_ptr<Engine> engine);
// What stands in a file of file_sd_configs, YAML or JSON.
Result<std::vector<TargetGroup>> ReadTargetFile(std::string_view text, const std::string& path);

class Discovery {
 public:
  // Of one list or answer; further targets are left out, and the log says so.
  static constexpr std::size_t kTargetsMax = 10'000;
  // Files are looked at this often, because nothing tells when one changes.
  static constexpr Millis kFilesEvery{5'000};

  struct Deps {
    Brain& brain;
    Hands& hands;
    const NameLookup& lookup;
    Log log;
    // nullptr if there is none to be had.
    std::function<std::unique_ptr<Engine>(const DockerDiscovery& config)> make_engine;
  };
  // All that is known, whenever it has changed; on the brain.
  using Changed = std::function<void(const std::vector<TargetGroup>& groups, const Moment& now)>;

  Discovery(Deps deps, const DiscoveryConfig& config, Changed changed);
  ~Discovery();
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  // Tells what is fixed at once.
  void Start(const Moment& now);

 private:
  struct Source;
  void Look(const std::shared_ptr<Source>& source, const Moment& now);
  void Learn(Source& source, Result<std::vector<TargetGroup>> found, const Moment& now);
  void Tell(const Moment& now) const;

  const Deps deps_;
  const std::vector<TargetGroup> fixed_;
  const Changed changed_;
  std::vector<std::shared_ptr<Source>> sources_;
  // Callbacks of the brain that come after the discovery's end find it gone.
  std::shared_ptr<Discovery*> self_;
};

}  // namespace fettle
