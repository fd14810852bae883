#include "exporter/collectors/self.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace fettle::exporter {
namespace {

double Seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

MetricFamily One(std::string name, std::string help, MetricType type, double value,
                 Labels labels = {}) {
  return {std::move(name), std::move(help), type, {{"", std::move(labels), value}}};
}

}  // namespace

Result<std::vector<MetricFamily>> SelfCollector::Collect(const CollectContext&) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::ifstream statm("/proc/self/statm");
  double virtual_pages = 0;
  double resident_pages = 0;
  if (!(statm >> virtual_pages >> resident_pages)) return Fail("cannot read /proc/self/statm");
  std::error_code unreadable;
  double open_fds = 0;
  for (auto fd = std::filesystem::directory_iterator("/proc/self/fd", unreadable);
       !unreadable && fd != std::filesystem::directory_iterator(); fd.increment(unreadable)) {
    ++open_fds;
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  using enum MetricType;
  return std::vector{
      One("process_cpu_seconds_total", "Processor time used.", kCounter,
          Seconds(usage.ru_utime) + Seconds(usage.ru_stime)),
      One("process_resident_memory_bytes", "Resident memory.", kGauge, resident_pages * page),
      One("process_virtual_memory_bytes", "Virtual memory.", kGauge, virtual_pages * page),
      One("process_open_fds", "Open file descriptors.", kGauge, open_fds),
      One("process_max_fds", "File descriptors the process may open.", kGauge,
          static_cast<double>(files.rlim_cur)),
      One("process_start_time_seconds", "When the process started.", kGauge,
          ToSeconds(deps_.started)),
      One("fettle_brain_lag_seconds", "How late the brain ran its last timer.", kGauge,
          ToSeconds(deps_.brain.Lag())),
      One("fettle_brain_mailbox_tasks", "Tasks that wait for the brain.", kGauge,
          static_cast<double>(deps_.brain.MailboxSize())),
      One("fettle_build_info", "1, with what was built.", kInfo, 1, {{"version", deps_.version}})};
}

}  // namespace fettle::exporter
