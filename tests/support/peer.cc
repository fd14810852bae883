#include "tests/support/peer.h"

#include <unistd.h>

#include <cstdlib>

namespace fettle {
namespace {

std::string Named(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

// As tests/support/peers chooses it.
std::string Folder() {
  if (std::string given = Named("FETTLE_PEERS"); !given.empty()) return given;
  std::string cache = Named("XDG_CACHE_HOME");
  if (cache.empty()) {
    const std::string home = Named("HOME");
    cache = (home.empty() ? "/var/tmp" : home) + "/.cache";
  }
  return cache + "/fettle/peers";
}

std::string Program(const char* variable, const std::string& name) {
  if (std::string given = Named(variable); !given.empty()) return given;
  const std::string unpacked = Folder() + "/usr/bin/" + name;
  return access(unpacked.c_str(), X_OK) == 0 ? unpacked : "/usr/bin/" + name;
}

}  // namespace

std::string PrometheusProgram() { return Program("FETTLE_PROMETHEUS", "prometheus"); }
std::string PromtoolProgram() { return Program("FETTLE_PROMTOOL", "promtool"); }
std::string AlertmanagerProgram() {
  return Program("FETTLE_ALERTMANAGER", "prometheus-alertmanager");
}
std::string AmtoolProgram() { return Program("FETTLE_AMTOOL", "amtool"); }

bool IsKnownPrometheus(const std::string& version) {
  return version.starts_with("3.5.") || version.starts_with("2.42.");
}
bool IsKnownAlertmanager(const std::string& version) {
  return version.starts_with("0.33.") || version.starts_with("0.25.");
}

}  // namespace fettle
