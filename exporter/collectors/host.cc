#include "exporter/collectors/host.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

namespace fettle::exporter {
namespace {

Result<std::string> ReadText(const std::string& path) {
  std::ifstream in(path);
  if (!in) return Fail("cannot read {}", path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  std::size_t at = 0;
  while (at < line.size()) {
    const std::size_t begin = line.find_first_not_of(" \t", at);
    if (begin == std::string_view::npos) break;
    const std::size_t end = std::min(line.find_first_of(" \t", begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    at = end;
  }
  return words;
}

std::optional<double> Number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

MetricFamily Gauge(std::string name, std::string help, double value) {
  return {std::move(name), std::move(help), MetricType::kGauge, {{"", {}, value}}};
}

// /proc/mounts writes blank, tab, newline and backslash as octal.
std::string Unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '\\' && i + 3 < text.size() + 0 &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, value, 8).ptr ==
            text.data() + i + 4) {
      out += static_cast<char>(value);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

HostConfig ReadHostConfig(const yaml::Node& node, yaml::Complaints& complaints) {
  HostConfig config;
  yaml::Mapping mapping(node, "exporter.host", complaints);
  config.proc = mapping.Get<std::string>("proc", config.proc);
  config.root = mapping.Get<std::string>("root", config.root);
  if (mapping.Has("ignored_types"))
    config.ignored_types = mapping.List<std::string>("ignored_types");
  return config;
}

Result<MetricFamily> ReadCpuSeconds(std::string_view proc_stat, double ticks_per_second) {
  static constexpr std::array kModes = {"user",   "nice", "system",  "idle",
                                        "iowait", "irq",  "softirq", "steal"};
  const std::vector<std::string_view> lines = Lines(proc_stat);
  const std::vector<std::string_view> words = lines.empty() ? lines : Words(lines[0]);
  if (words.size() < 5 || words[0] != "cpu") return Fail("/proc/stat does not begin with cpu");
  MetricFamily family{"fettle_host_cpu_seconds_total",
                      "Time all cpus spent in each mode.",
                      MetricType::kCounter,
                      {}};
  for (std::size_t i = 0; i < kModes.size() && i + 1 < words.size(); ++i) {
    const std::optional<double> ticks = Number(words[i + 1]);
    if (!ticks) return Fail("/proc/stat has {} for {}", words[i + 1], kModes[i]);
    family.points.push_back({"", {{"mode", kModes[i]}}, *ticks / ticks_per_second});
  }
  return family;
}

Result<std::vector<MetricFamily>> ReadMemory(std::string_view proc_meminfo) {
  struct Wanted {
    std::string_view key;
    const char* name;
    const char* help;
  };
  static constexpr std::array kWanted = {
      Wanted{"MemTotal:", "fettle_host_memory_total_bytes", "Memory of the machine."},
      Wanted{"MemAvailable:", "fettle_host_memory_available_bytes",
             "Memory that programs can still have without swapping."},
      Wanted{"SwapTotal:", "fettle_host_memory_swap_total_bytes", "Swap space."},
      Wanted{"SwapFree:", "fettle_host_memory_swap_free_bytes", "Swap space that is free."},
  };
  std::vector<MetricFamily> families;
  for (const std::string_view line : Lines(proc_meminfo)) {
    const std::vector<std::string_view> words = Words(line);
    if (words.size() < 2) continue;
    for (const Wanted& wanted : kWanted) {
      if (words[0] != wanted.key) continue;
      const std::optional<double> kibibytes = Number(words[1]);
      if (!kibibytes) return Fail("/proc/meminfo has {} for {}", words[1], words[0]);
      families.push_back(Gauge(wanted.name, wanted.help, *kibibytes * 1024));
    }
  }
  if (families.empty()) return Fail("/proc/meminfo has no MemTotal");
  return families;
}

Result<std::vector<MetricFamily>> ReadLoad(std::string_view proc_loadavg) {
  const std::vector<std::string_view> words = Words(proc_loadavg);
  static constexpr std::array kNames = {"fettle_host_load1", "fettle_host_load5",
                                        "fettle_host_load15"};
  static constexpr std::array kHelps = {"Load average over 1 minute.",
                                        "Load average over 5 minutes.",
                                        "Load average over 15 minutes."};
  if (words.size() < kNames.size()) return Fail("/proc/loadavg is too short");
  std::vector<MetricFamily> families;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    const std::optional<double> load = Number(words[i]);
    if (!load) return Fail("/proc/loadavg has {}", words[i]);
    families.push_back(Gauge(kNames[i], kHelps[i], *load));
  }
  return families;
}

std::vector<Mount> ReadMounts(std::string_view proc_mounts) {
  std::vector<Mount> mounts;
  for (const std::string_view line : Lines(proc_mounts)) {
    const std::vector<std::string_view> words = Words(line);
    if (words.size() >= 3) mounts.push_back({Unescape(words[1]), std::string(words[2])});
  }
  return mounts;
}

namespace {

std::vector<MetricFamily> Filesystems(const std::vector<Mount>& mounts, const HostConfig& config) {
  MetricFamily size{
      "fettle_filesystem_size_bytes", "Size of the filesystem.", MetricType::kGauge, {}};
  MetricFamily avail{"fettle_filesystem_avail_bytes",
                     "Space that programs without privileges can still use.",
                     MetricType::kGauge,
                     {}};
  MetricFamily files{
      "fettle_filesystem_files_free", "Inodes that are free.", MetricType::kGauge, {}};
  std::set<std::string> seen;
  for (const Mount& mount : mounts) {
    if (seen.size() >= HostCollector::kMountsMax) break;
    if (std::find(config.ignored_types.begin(), config.ignored_types.end(), mount.type) !=
        config.ignored_types.end()) {
      continue;
    }
    struct statvfs stat {};
    if (statvfs((config.root + mount.point).c_str(), &stat) != 0 || stat.f_blocks == 0) continue;
    if (!seen.insert(mount.point).second) continue;
    const Labels labels{{"mount", mount.point}, {"fstype", mount.type}};
    const auto block = static_cast<double>(stat.f_frsize);
    size.points.push_back({"", labels, block * static_cast<double>(stat.f_blocks)});
    avail.points.push_back({"", labels, block * static_cast<double>(stat.f_bavail)});
    files.points.push_back({"", labels, static_cast<double>(stat.f_ffree)});
  }
  return {size, avail, files};
}

}  // namespace

Result<std::vector<MetricFamily>> HostCollector::Collect(const CollectContext&) {
  std::vector<MetricFamily> all;
  const auto read = [&](const char* name, auto parse) -> Status {
    const Result<std::string> text = ReadText(config_.proc + "/" + name);
    if (!text) return tl::unexpected(text.error());
    auto parsed = parse(*text);
    if (!parsed) return tl::unexpected(parsed.error());
    all.insert(all.end(), parsed->begin(), parsed->end());
    return {};
  };
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto cpu = [&](const std::string& text) -> Result<std::vector<MetricFamily>> {
    Result<MetricFamily> family = ReadCpuSeconds(text, ticks);
    if (!family) return tl::unexpected(family.error());
    return std::vector{*std::move(family)};
  };
  if (Status s = read("stat", cpu); !s) return tl::unexpected(s.error());
  if (Status s = read("meminfo", ReadMemory); !s) return tl::unexpected(s.error());
  if (Status s = read("loadavg", ReadLoad); !s) return tl::unexpected(s.error());
  // The first process's mounts are the host's, when /proc is the host's; ours otherwise.
  Result<std::string> mounts = ReadText(config_.proc + "/1/mounts");
  if (!mounts) mounts = ReadText(config_.proc + "/self/mounts");
  if (!mounts) return tl::unexpected(mounts.error());
  const std::vector<MetricFamily> filesystems = Filesystems(ReadMounts(*mounts), config_);
  all.insert(all.end(), filesystems.begin(), filesystems.end());
  return all;
}

}  // namespace fettle::exporter
