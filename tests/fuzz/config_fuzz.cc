// The rooms of fettle.yml over any YAML. Goal: whatever is written, each reader answers with a
// value or a complaint; what has no complaint can be relied on.
#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "exporter/config.h"
#include "receivers/backups/config.h"
#include "receivers/repairs_config.h"
#include "receivers/telling_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fettle;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  yaml::Complaints complaints;
  const auto top = yaml::Load(text, "f.yml", complaints, {.expand_environment = false});
  if (!top) return 0;
  yaml::Mapping mapping(*top, "", complaints);
  const Connections connections = ReadConnections(mapping.Child("connections"), complaints);
  exporter::ExporterConfig observed =
      exporter::ReadExporterConfig(mapping.Child("exporter"), connections, complaints);
  const yaml::Node nothing;
  const yaml::Node* node = mapping.Child("receivers");
  yaml::Mapping receivers(node == nullptr ? nothing : *node, "receivers", complaints);
  const receivers::TellingConfig telling = receivers::ReadTellingConfig(receivers);
  const auto backups = receivers::backups::ReadBackups(receivers, connections);
  receivers::References references;
  for (const auto& [name, docker] : connections.docker) {
    references.docker_connections.push_back(name);
  }
  references.receivers = {"oncall"};
  const receivers::RepairsConfig repairs = receivers::ReadRepairs(receivers, references);
  if (!complaints.empty()) return 0;
  FETTLE_CHECK(observed.interval > Millis(0));
  FETTLE_CHECK(telling.webhook_max_age > Millis(0));
  for (const auto& job : backups) FETTLE_CHECK(!job.name.empty() && !job.to.empty());
  for (const receivers::RepairSpec& repair : repairs.repairs) {
    FETTLE_CHECK(!repair.name.empty() && !repair.rungs.empty() && !repair.matchers.empty());
    for (const receivers::RungSpec& rung : repair.rungs) {
      FETTLE_CHECK(rung.attempts >= 1 && repair.VerifyOf(rung).within > Millis(0));
    }
  }
  return 0;
}
