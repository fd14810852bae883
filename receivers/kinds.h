// Every kind of receiver but webhook and Slack, as tables: the key in alertmanager.yml, its fields
// with Alertmanager's defaults, and what must hold between them. Values, made once.
// Source: prometheus.io/docs/alerting/latest/configuration and measured behaviour of 0.33.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "receivers/settings.h"

namespace fettle::receivers {

struct Kind {
  const char* key;   // "pagerduty_configs"
  const char* name;  // "pagerduty": the integration's name in metrics and records
  bool send_resolved;
  bool http;  // has http_config
  const Schema* schema;
  // Complains about what the fields say together.
  void (*check)(yaml::Mapping& m, const Settings& settings);
};

// In Alertmanager's order of integrations.
const std::vector<Kind>& Kinds();
// The keys of `global` that they fall back to.
const Schema& GlobalSchema();

// Message-Id, as Go's textproto spells a header's name.
std::string CanonicalHeader(std::string_view name);

// One entry of a receiver.
struct KindReceiver {
  const Kind* kind = nullptr;
  bool send_resolved = true;
  Settings settings;
};

}  // namespace fettle::receivers
