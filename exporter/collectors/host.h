// The machine: cpu, memory, load and filesystems, from /proc and statvfs.
// Source of the formats: proc(5). Collect() is a hand's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/collector.h"
#include "common/yaml.h"

namespace fettle::exporter {

struct HostConfig {
  std::string proc = "/proc";  // /host/proc where the host's is mounted there
  std::string root;            // before every mount point: /host/root in a container
  // Filesystem types that hold nothing of their own.
  std::vector<std::string> ignored_types = {
      "autofs",   "binfmt_misc", "bpf",      "cgroup",  "cgroup2",    "configfs",   "debugfs",
      "devpts",   "devtmpfs",    "efivarfs", "fusectl", "hugetlbfs",  "mqueue",     "nsfs",
      "overlay",  "proc",        "pstore",   "ramfs",   "rpc_pipefs", "securityfs", "selinuxfs",
      "squashfs", "sysfs",       "tmpfs",    "tracefs"};
};
HostConfig ReadHostConfig(const yaml::Node& node, yaml::Complaints& complaints);

class HostCollector final : public Collector {
 public:
  static constexpr std::size_t kMountsMax = 256;
  explicit HostCollector(HostConfig config) : config_(std::move(config)) {}
  std::string_view Name() const override { return "host"; }
  std::string_view Target() const override { return ""; }
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;

 private:
  const HostConfig config_;
};

// The parts, each from the text of one file.
Result<MetricFamily> ReadCpuSeconds(std::string_view proc_stat, double ticks_per_second);
Result<std::vector<MetricFamily>> ReadMemory(std::string_view proc_meminfo);
Result<std::vector<MetricFamily>> ReadLoad(std::string_view proc_loadavg);
struct Mount {
  std::string point;
  std::string type;
};
std::vector<Mount> ReadMounts(std::string_view proc_mounts);

}  // namespace fettle::exporter
