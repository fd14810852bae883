// What /api/v1/status/ says of the program: its flags and configuration, as clients of Prometheus
// read them. Nothing secret is among it: only rules and intervals are shown.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "command.h"
#include "common/duration.h"
#include "fettle_parts.h"

namespace fettle {
namespace {

constexpr Millis kConfigWithin{5'000};

std::string Switch(bool on) { return on ? "true" : "false"; }

std::map<std::string, std::string> FlagsOf(const ServeOptions& options) {
  return {{"config.file", options.config_file},
          {"enable-feature", fmt::format("{}", fmt::join(options.enabled_features, ","))},
          {"query.lookback-delta", FormatDuration(options.lookback_delta)},
          {"query.max-concurrency", std::to_string(options.queries_max)},
          {"query.max-samples", std::to_string(options.query_samples_max)},
          {"query.timeout", FormatDuration(options.query_timeout)},
          {"storage.path", options.storage_path},
          {"storage.retention", FormatDuration(options.storage_retention)},
          {"web.config.file", options.web_config_file},
          {"web.enable-lifecycle", Switch(options.enable_lifecycle)},
          {"web.enable-remote-write-receiver", Switch(options.enable_remote_write_receiver)},
          {"web.external-url", options.external_url},
          {"web.listen-address", options.listen_address}};
}

// The part of prometheus.yml that would do the same.
std::string PrometheusConfigOf(const FettleConfig& config) {
  std::string yaml = fmt::format("global:\n  scrape_interval: {}\n  evaluation_interval: {}\n",
                                 FormatDuration(config.exporter.interval),
                                 FormatDuration(config.rules.evaluation_interval));
  if (!config.rules.external_labels.empty()) yaml += "  external_labels:\n";
  for (const auto& [name, value] : config.rules.external_labels) {
    yaml += fmt::format("    {}: {}\n", Quote(name), Quote(value));
  }
  std::set<std::string> files;
  if (config.rules.builtin) files.insert("builtin");
  for (const rules::GroupSpec& group : config.rules.groups) files.insert(group.file);
  if (!files.empty()) yaml += "rule_files:\n";
  for (const std::string& file : files) yaml += fmt::format("- {}\n", Quote(file));
  return yaml;
}

}  // namespace

rules::StatusApi::Deps Fettle::Parts::StatusDeps() {
  const auto loaded = [this] {
    return rules::StatusApi::Loaded{LastReloadSuccessful().Value() == 1, last_loaded.load()};
  };
  const auto shown = [this]() -> std::string {
    const Result<std::string> text =
        brain.Call(kConfigWithin, [this](const Moment&) { return PrometheusConfigOf(config); });
    return text.value_or("");
  };
  return {.samples = samples, .clock = deps.clock, .loaded = loaded, .config = shown};
}

Labels Fettle::Parts::ExternalLabels() {
  const Result<Labels> labels =
      brain.Call(kConfigWithin, [this](const Moment&) { return config.rules.external_labels; });
  return labels.value_or(Labels{});
}

rules::StatusApi::Options Fettle::Parts::StatusOptions() const {
  return {.revision = VersionText(),
          .started = started,
          .retention = FormatDuration(options.storage_retention),
          .flags = FlagsOf(options)};
}

}  // namespace fettle
