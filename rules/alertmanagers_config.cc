#include "rules/alertmanagers_config.h"

#include <utility>

namespace fettle::rules {
namespace {

constexpr std::string_view kSchemeLabel = "__scheme__";
constexpr std::string_view kPathLabel = "__alerts_path__";

// "/x/" and "x" are "/x"; "/" is nothing.
std::string Joined(std::string prefix) {
  while (prefix.ends_with('/')) prefix.pop_back();
  if (!prefix.empty() && !prefix.starts_with('/')) prefix.insert(0, "/");
  return prefix + "/api/v2/alerts";
}

AlertmanagerSet ReadSet(const yaml::Node& node, const std::string& directory,
                        const Connections& connections, yaml::Complaints& complaints) {
  yaml::Mapping m(node, "rules.alertmanagers", complaints);
  AlertmanagerSet set;
  set.scheme = m.OneOf<std::string>("scheme", set.scheme, {{"http", "http"}, {"https", "https"}});
  set.path_prefix = m.Get<std::string>("path_prefix", set.path_prefix);
  set.timeout = m.Get<Millis>("timeout", set.timeout);
  if (set.timeout <= Millis(0)) {
    m.Complain(m.Child("timeout")->place, "timeout must not be 0");
  }
  const auto version = m.Get<std::string>("api_version", "v2");
  if (version != "v2") {
    m.Complain(
        m.Child("api_version")->place,
        fmt::format("expected Alertmanager api version to be v2, not {}", yaml::Shown(version)));
  }
  set.http = ReadHttpConfig(m, directory);
  set.discovery = ReadDiscovery(m, directory, connections);
  set.relabeling = Relabeling::Read(m, "relabel_configs");
  set.alert_relabeling = Relabeling::Read(m, "alert_relabel_configs");
  return set;
}

}  // namespace

NotifierConfig ReadNotifierConfig(yaml::Mapping& rules, const std::string& directory,
                                  const Connections& connections) {
  NotifierConfig config;
  config.alert_relabeling = Relabeling::Read(rules, "alert_relabel_configs");
  rules.ForEach("alertmanagers", [&](const yaml::Node& node) {
    config.sets.push_back(ReadSet(node, directory, connections, rules.complaints()));
  });
  return config;
}

std::optional<std::string> AlertmanagerUrl(const AlertmanagerSet& set, const Labels& found) {
  Labels labels = found;
  if (!labels.Has(kSchemeLabel)) labels.Set(kSchemeLabel, set.scheme);
  if (!labels.Has(kPathLabel)) labels.Set(kPathLabel, Joined(set.path_prefix));
  if (!set.relabeling.Apply(labels) || !labels.Has(kAddressLabel)) return std::nullopt;
  std::string path(labels.Get(kPathLabel));
  if (!path.starts_with('/')) path.insert(0, "/");
  return fmt::format("{}://{}{}", labels.Get(kSchemeLabel), labels.Get(kAddressLabel), path);
}

}  // namespace fettle::rules
