#include "exporter/scrape/scrape_config.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <utility>

#include "common/duration.h"
#include "exporter/collectors/configured.h"

namespace fettle::exporter {
namespace {

using yaml::Mapping;
using yaml::Node;

constexpr Millis kTimeoutDefault{10'000};

constexpr std::string_view kJobLabel = "job";
constexpr std::string_view kInstanceLabel = "instance";
constexpr std::string_view kSchemeLabel = "__scheme__";
constexpr std::string_view kPathLabel = "__metrics_path__";
constexpr std::string_view kIntervalLabel = "__scrape_interval__";
constexpr std::string_view kTimeoutLabel = "__scrape_timeout__";
constexpr std::string_view kParamLabel = "__param_";

struct Protocol {
  std::string_view name;
  std::string_view media_type;
  PageFormat format;
};
const std::vector<Protocol>& Protocols() {
  static const std::vector<Protocol> protocols = {
      {"OpenMetricsText1.0.0", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
       PageFormat::kOpenMetrics},
      {"OpenMetricsText0.0.1", "application/openmetrics-text;version=0.0.1",
       PageFormat::kOpenMetrics},
      {"PrometheusText1.0.0", "text/plain;version=1.0.0;escaping=allow-utf-8", PageFormat::kText},
      {"PrometheusText0.0.4", "text/plain;version=0.0.4", PageFormat::kText},
  };
  return protocols;
}

// The wished for first, all with falling weights.
std::string AcceptOf(const std::vector<Protocol>& wanted) {
  std::string accept;
  std::size_t weight = wanted.size() + 1;
  for (const Protocol& one : wanted) accept += fmt::format("{};q=0.{},", one.media_type, weight--);
  return accept + "*/*;q=0.1";
}

// "100MB": units of 1024, as Prometheus reads them.
std::optional<std::size_t> ParseSize(std::string_view text) {
  static const std::map<std::string, std::size_t, std::less<>> units = {
      {"", 1},         {"B", 1},         {"KB", 1 << 10}, {"KiB", 1 << 10},
      {"MB", 1 << 20}, {"MiB", 1 << 20}, {"GB", 1 << 30}, {"GiB", 1 << 30}};
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto unit = units.find(text.substr(static_cast<std::size_t>(end - text.data())));
  if (error != std::errc() || unit == units.end()) return std::nullopt;
  if (number > std::numeric_limits<std::size_t>::max() / unit->second) return std::nullopt;
  return number * unit->second;
}

class JobReader {
 public:
  JobReader(const Node& node, const std::string& directory, const Connections& connections,
            Millis interval, yaml::Complaints& complaints)
      : m_(node, "exporter.scrape_configs", complaints),
        directory_(directory),
        connections_(connections),
        default_interval_(interval) {}

  ScrapeConfig Read() {
    config_.job_name = m_.Require<std::string>("job_name");
    ReadTimes();
    ReadProtocols();
    ReadAddress();
    config_.honor_labels = m_.Get("honor_labels", config_.honor_labels);
    config_.honor_timestamps = m_.Get("honor_timestamps", config_.honor_timestamps);
    config_.track_timestamps_staleness =
        m_.Get("track_timestamps_staleness", config_.track_timestamps_staleness);
    config_.enable_compression = m_.Get("enable_compression", config_.enable_compression);
    config_.http = ReadHttpConfig(m_, directory_);
    config_.discovery = ReadDiscovery(m_, directory_, connections_);
    config_.relabeling = Relabeling::Read(m_, "relabel_configs");
    config_.metric_relabeling = Relabeling::Read(m_, "metric_relabel_configs");
    ReadLimits();
    PassOverHistograms();
    return std::move(config_);
  }

 private:
  void ReadTimes() {
    config_.interval = m_.Get<Millis>("scrape_interval", default_interval_);
    if (config_.interval < kIntervalMin) {
      m_.Complain(PlaceOf(m_, "scrape_interval"),
                  "scrape_interval must be at least " + FormatDuration(kIntervalMin));
    }
    config_.timeout = m_.Get<Millis>("scrape_timeout", std::min(kTimeoutDefault, config_.interval));
    if (config_.timeout > config_.interval) {
      m_.Complain(PlaceOf(m_, "scrape_timeout"), "scrape_timeout is greater than scrape_interval");
    }
    if (config_.timeout <= Millis(0)) {
      m_.Complain(PlaceOf(m_, "scrape_timeout"), "scrape_timeout must not be 0");
    }
  }

  const Protocol* Find(const std::string& key, const std::string& name) {
    std::vector<std::string> known;
    for (const Protocol& protocol : Protocols()) {
      if (protocol.name == name) return &protocol;
      known.emplace_back(protocol.name);
    }
    m_.Complain(PlaceOf(m_, key),
                name == "PrometheusProto"
                    ? key + ": PrometheusProto is not supported by this version"
                    : fmt::format("{}: unknown protocol {}{}", key, yaml::Shown(name),
                                  yaml::Suggestion(name, known)));
    return nullptr;
  }

  void ReadProtocols() {
    std::vector<Protocol> wanted;
    for (const std::string& name : m_.List<std::string>("scrape_protocols")) {
      if (const Protocol* protocol = Find("scrape_protocols", name)) wanted.push_back(*protocol);
    }
    if (wanted.empty()) wanted = Protocols();
    config_.accept = AcceptOf(wanted);
    const auto fallback = m_.Get<std::string>("fallback_scrape_protocol", "");
    if (fallback.empty()) return;
    if (const Protocol* protocol = Find("fallback_scrape_protocol", fallback)) {
      config_.fallback = protocol->format;
    }
  }

  void ReadAddress() {
    config_.metrics_path = m_.Get<std::string>("metrics_path", config_.metrics_path);
    config_.scheme =
        m_.OneOf<std::string>("scheme", config_.scheme, {{"http", "http"}, {"https", "https"}});
    m_.ForEachEntry("params", [&](const Node& name, const Node& values) {
      std::vector<std::string>& list = config_.params[name.text];
      for (const Node& value : values.items) list.push_back(value.text);
      if (values.kind != Node::Kind::kSequence) {
        m_.Complain(values.place, "params." + name.text + " must be a list");
      }
    });
  }

  void ReadLimits() {
    const auto size = m_.Get<std::string>("body_size_limit", "0");
    const std::optional<std::size_t> bytes = ParseSize(size);
    if (!bytes) {
      m_.Complain(
          PlaceOf(m_, "body_size_limit"),
          fmt::format("body_size_limit must be a size such as 10MB, not {}", yaml::Shown(size)));
    }
    config_.body_size_limit = bytes.value_or(0);
    config_.sample_limit = m_.Get<std::size_t>("sample_limit", 0);
    config_.label_limit = m_.Get<std::size_t>("label_limit", 0);
    config_.label_name_length_limit = m_.Get<std::size_t>("label_name_length_limit", 0);
    config_.label_value_length_limit = m_.Get<std::size_t>("label_value_length_limit", 0);
    config_.target_limit = m_.Get<std::size_t>("target_limit", 0);
    config_.keep_dropped_targets = m_.Get<std::size_t>("keep_dropped_targets", 0);
  }

  // What concerns the protocol that is not spoken changes nothing.
  void PassOverHistograms() {
    m_.Get("scrape_classic_histograms", false);
    m_.Get("always_scrape_classic_histograms", false);
    m_.Get<std::size_t>("native_histogram_bucket_limit", 0);
    m_.Get<double>("native_histogram_min_bucket_factor", 0);
  }

  Mapping m_;
  const std::string& directory_;
  const Connections& connections_;
  const Millis default_interval_;
  ScrapeConfig config_;
};

// Labels that a target has unless it was found with others.
void AddDefaults(const ScrapeConfig& config, Labels& labels) {
  const auto set = [&labels](std::string_view name, std::string_view value) {
    if (!labels.Has(name)) labels.Set(name, value);
  };
  set(kJobLabel, config.job_name);
  set(kIntervalLabel, FormatDuration(config.interval));
  set(kTimeoutLabel, FormatDuration(config.timeout));
  set(kPathLabel, config.metrics_path);
  set(kSchemeLabel, config.scheme);
  for (const auto& [name, values] : config.params) {
    if (!values.empty()) set(std::string(kParamLabel) + name, values.front());
  }
}

// ?name=value&…, by name: the job's parameters, the first of each as the label says.
std::string QueryOf(const ScrapeConfig& config, const Labels& labels) {
  std::map<std::string, std::vector<std::string>> params = config.params;
  for (const auto& [name, value] : labels) {
    if (!name.starts_with(kParamLabel)) continue;
    std::vector<std::string>& values = params[name.substr(kParamLabel.size())];
    if (values.empty()) values.emplace_back();
    values.front() = value;
  }
  std::string query;
  for (const auto& [name, values] : params) {
    for (const std::string& value : values) {
      query += query.empty() ? '?' : '&';
      query += PercentEncode(name) + "=" + PercentEncode(value);
    }
  }
  return query;
}

Result<Millis> TimeIn(const Labels& labels, std::string_view name, std::string_view what) {
  const Result<Millis> time = ParseDuration(labels.Get(name));
  if (!time) return While(fmt::format("reading the label {}", name), time.error());
  if (*time <= Millis(0)) return Fail(Cause::kInvalid, "{} cannot be 0", what);
  return *time;
}

}  // namespace

std::string ScrapeTarget::Key() const {
  return fmt::format("{} {} {} {}", labels.ToString(), url, interval.count(), timeout.count());
}

Result<std::optional<ScrapeTarget>> MakeTarget(const ScrapeConfig& config, const Labels& found) {
  Labels labels = found;
  AddDefaults(config, labels);
  ScrapeTarget target{.discovered = labels};
  if (!config.relabeling.Apply(labels)) return std::optional<ScrapeTarget>();
  const std::string address(labels.Get(kAddressLabel));
  if (address.empty()) return Fail(Cause::kInvalid, "no address");
  if (address.find('/') != std::string::npos) {
    return Fail(Cause::kInvalid, "{} is not a valid hostname", Quote(address));
  }
  const Result<Millis> interval = TimeIn(labels, kIntervalLabel, "scrape interval");
  if (!interval) return tl::unexpected(interval.error());
  const Result<Millis> timeout = TimeIn(labels, kTimeoutLabel, "scrape timeout");
  if (!timeout) return tl::unexpected(timeout.error());
  if (*timeout > *interval) {
    return Fail(Cause::kInvalid, "scrape timeout cannot be greater than scrape interval");
  }
  std::string path(labels.Get(kPathLabel));
  if (!path.starts_with('/')) path.insert(0, "/");
  target.url =
      fmt::format("{}://{}{}{}", labels.Get(kSchemeLabel), address, path, QueryOf(config, labels));
  target.interval = std::max(*interval, kIntervalMin);
  target.timeout = *timeout;
  if (!labels.Has(kInstanceLabel)) labels.Set(kInstanceLabel, address);
  std::vector<Labels::Pair> own;
  for (const auto& pair : labels) {
    if (!pair.first.starts_with("__")) own.push_back(pair);
  }
  target.labels = Labels(std::move(own));
  return std::optional(std::move(target));
}

std::vector<ScrapeConfig> ReadScrapeConfigs(Mapping& mapping, const std::string& directory,
                                            const Connections& connections, Millis interval) {
  std::vector<ScrapeConfig> configs;
  std::set<std::string> names;
  mapping.ForEach("scrape_configs", [&](const Node& node) {
    ScrapeConfig config =
        JobReader(node, directory, connections, interval, mapping.complaints()).Read();
    if (!config.job_name.empty() && !names.insert(config.job_name).second) {
      mapping.Complain(node.place, fmt::format("scrape_configs has two jobs named {}",
                                               yaml::Shown(config.job_name)));
    }
    configs.push_back(std::move(config));
  });
  return configs;
}

}  // namespace fettle::exporter
