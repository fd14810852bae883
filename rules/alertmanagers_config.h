// `rules.alertmanagers`: who else is told, in the words of Prometheus' alerting.alertmanagers.
// Values; defaults are the members' initialisers.
//
// Source: prometheus.io/docs/prometheus/latest/configuration/configuration/#alertmanager_config.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/connections.h"
#include "common/discovery.h"
#include "common/http_config.h"
#include "common/relabel.h"
#include "common/yaml.h"

namespace fettle::rules {

// Alertmanagers that are found and told alike.
struct AlertmanagerSet {
  std::string scheme = "http";
  std::string path_prefix = "/";
  Millis timeout{10'000};
  HttpConfig http;
  DiscoveryConfig discovery;
  Relabeling relabeling;        // of Alertmanagers
  Relabeling alert_relabeling;  // of alerts, after the common one
};

struct NotifierConfig {
  Relabeling alert_relabeling;  // alert_relabel_configs
  std::vector<AlertmanagerSet> sets;
};

// Both keys of the section `rules`.
NotifierConfig ReadNotifierConfig(yaml::Mapping& rules, const std::string& directory,
                                  const Connections& connections);

// Where alerts are posted to; nullopt: dropped by relabelling, or without an address.
std::optional<std::string> AlertmanagerUrl(const AlertmanagerSet& set, const Labels& found);

}  // namespace fettle::rules
