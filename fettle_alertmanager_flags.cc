// Alertmanager's flags. Read by hand, because --flag= with an empty value means something there.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>

#include "common/duration.h"
#include "fettle_alertmanager.h"

namespace fettle {
namespace {

using Options = AlertmanagerOptions;

struct Flag {
  const char* name;
  const char* help;
  bool takes_value = true;
  // What is wrong with the value, or "".
  std::function<std::string(Options&, const std::string&)> set;
};

std::string Accept(Options&, const std::string&) { return ""; }

auto Text(std::string Options::*field) {
  return [field](Options& options, const std::string& value) {
    options.*field = value;
    return std::string();
  };
}

auto Duration(Millis Options::*field) {
  return [field](Options& options, const std::string& value) -> std::string {
    const Result<Millis> parsed = ParseDuration(value);
    if (!parsed) return parsed.error().message;
    options.*field = *parsed;
    return "";
  };
}

// Negative and zero mean no limit.
auto Limit(std::size_t Options::*field) {
  return [field](Options& options, const std::string& value) -> std::string {
    std::int64_t number = 0;
    const char* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, number);
    if (error != std::errc() || stop != end) {
      return fmt::format("strconv.ParseInt: parsing \"{}\": invalid syntax", value);
    }
    options.*field = static_cast<std::size_t>(std::max<std::int64_t>(0, number));
    return "";
  };
}

auto Switch(bool Options::*field) {
  return [field](Options& options, const std::string& value) {
    options.*field = value != "false";
    return std::string();
  };
}

std::string SetFeatures(Options& options, const std::string& value) {
  for (std::size_t begin = 0; begin <= value.size();) {
    const std::size_t end = std::min(value.find(',', begin), value.size());
    const std::string feature = value.substr(begin, end - begin);
    begin = end + 1;
    if (feature == "classic-mode") {
      options.classic_matchers = true;
    } else if (feature == "utf8-strict-mode") {
      options.utf8_matchers = true;
    } else if (!feature.empty() && feature != "receiver-name-in-metrics" &&
               feature != "alert-names-in-metrics" && feature != "group-key-in-metrics" &&
               feature != "auto-gomemlimit" && feature != "auto-gomaxprocs" &&
               feature != "event-recorder") {
      return fmt::format("unknown option '{}' for --enable-feature", feature);
    }
  }
  if (options.classic_matchers && options.utf8_matchers) {
    return "cannot have both classic-mode and utf8-strict-mode enabled";
  }
  return "";
}

std::string SetLevel(Options& options, const std::string& value) {
  const Result<LogLevel> level = ParseLogLevel(value);
  if (!level) return fmt::format("unrecognized log level {}", value);
  options.log_level = *level;
  return "";
}

std::string SetFormat(Options& options, const std::string& value) {
  if (value != "logfmt" && value != "json") return fmt::format("unrecognized log format {}", value);
  options.log_format = value == "json" ? LogFormat::kJson : LogFormat::kLogfmt;
  return "";
}

std::string SetOnLoss(Options& options, const std::string& value) {
  const std::optional<receivers::OnLoss> on_loss = receivers::ParseOnLoss(value);
  if (!on_loss) {
    return fmt::format(
        "unknown value '{}' for --store.postgres.on-loss: local_if_singleton, observe or tell",
        value);
  }
  options.on_loss = *on_loss;
  return "";
}

std::vector<Flag> MakeFlags(bool& listen_given) {
  return {
      {"config.file", "alertmanager.yml", true, Text(&Options::config_file)},
      {"storage.path", "where state is kept", true, Text(&Options::storage_path)},
      {"data.retention", "how long what is over is kept (120h)", true,
       Duration(&Options::retention)},
      {"data.maintenance-interval", "how often what is over is dropped (15m)", true,
       Duration(&Options::maintenance_interval)},
      {"silences.max-silences", "silences kept, expired ones included", true,
       Limit(&Options::silences_max)},
      {"silences.max-silence-size-bytes", "size of one silence", true,
       Limit(&Options::silence_bytes_max)},
      {"log.silences", "accepted: changes of silences are always logged", false, Accept},
      {"alerts.gc-interval", "how often resolved alerts are forgotten (30m)", true,
       Duration(&Options::alerts_gc_interval)},
      {"alerts.per-alertname-limit", "accepted: all alerts together are limited", true, Accept},
      {"dispatch.maintenance-interval", "accepted: empty groups are gone at once", true, Accept},
      {"dispatch.start-delay", "nobody is told earlier after the start", true,
       Duration(&Options::start_delay)},
      {"web.systemd-socket", "accepted: addresses are listened on", false, Accept},
      {"web.listen-address", "address of API and metrics (:9093); may be repeated", true,
       [&listen_given](Options& options, const std::string& value) {
         if (!std::exchange(listen_given, true)) options.listen_addresses.clear();
         options.listen_addresses.push_back(value);
         return std::string();
       }},
      {"web.config.file", "TLS, users", true, Text(&Options::web_config_file)},
      {"web.external-url", "how others reach it", true, Text(&Options::external_url)},
      {"web.route-prefix", "prefix of all paths; of --web.external-url if not given", true,
       [](Options& options, const std::string& value) {
         options.route_prefix = value;
         return std::string();
       }},
      {"web.get-concurrency", "GET requests at once", true, Limit(&Options::gets_max)},
      {"web.timeout", "how long an answer may take", true, Duration(&Options::web_timeout)},
      {"web.ui-path", "accepted: there is one page", true, Accept},
      {"template.default", "accepted: the default templates are built in", true, Accept},
      {"auto-gomemlimit.ratio", "accepted", true, Accept},
      {"cluster.listen-address", "what the cluster's status shows; empty: no cluster", true,
       Text(&Options::cluster_address)},
      {"cluster.advertise-address", "the same, as others see it", true,
       Text(&Options::cluster_advertise_address)},
      {"cluster.peer-name", "name in the cluster's status", true,
       Text(&Options::cluster_peer_name)},
      {"cluster.peer", "accepted: replicas meet in their store", true, Accept},
      {"cluster.peer-timeout", "accepted", true, Accept},
      {"cluster.peers-resolve-timeout", "accepted", true, Accept},
      {"cluster.gossip-interval", "accepted", true, Accept},
      {"cluster.pushpull-interval", "accepted", true, Accept},
      {"cluster.tcp-timeout", "accepted", true, Accept},
      {"cluster.probe-timeout", "accepted", true, Accept},
      {"cluster.probe-interval", "accepted", true, Accept},
      {"cluster.settle-timeout", "accepted", true, Accept},
      {"cluster.reconnect-interval", "accepted", true, Accept},
      {"cluster.reconnect-timeout", "accepted", true, Accept},
      {"cluster.tls-config", "accepted", true, Accept},
      {"cluster.label", "accepted", true, Accept},
      {"cluster.allow-insecure-public-advertise-address-discovery", "accepted", false, Accept},
      {"store.postgres.dsn-file", "file with the DSN of the PostgreSQL that replicas share", true,
       Text(&Options::postgres_dsn_file)},
      {"store.postgres.on-loss",
       "who tells while it is away: local_if_singleton, observe (nobody) or tell (everybody)", true,
       SetOnLoss},
      {"enable-feature", "classic-mode, utf8-strict-mode; others are accepted", true, SetFeatures},
      {"log.level", "debug, info, warn or error", true, SetLevel},
      {"log.format", "logfmt or json", true, SetFormat},
      {"version", "says the version", false, Switch(&Options::version)},
      {"help", "this", false, Switch(&Options::help)},
  };
}

}  // namespace

Result<AlertmanagerOptions> ReadAlertmanagerFlags(const std::vector<std::string>& arguments) {
  Options options;
  bool listen_given = false;
  const std::vector<Flag> flags = MakeFlags(listen_given);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "-h") {
      options.help = true;
      continue;
    }
    if (!argument.starts_with("--")) return Fail("unexpected {}", argument);
    const std::size_t equals = argument.find('=');
    std::string name = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
    const auto find = [&](const std::string& wanted) {
      return std::find_if(flags.begin(), flags.end(),
                          [&](const Flag& f) { return f.name == wanted; });
    };
    auto flag = find(name);
    const bool off = flag == flags.end() && name.starts_with("no-");
    if (off) flag = find(name.substr(3));
    if (flag == flags.end() || (off && flag->takes_value)) {
      return Fail("unknown long flag '--{}', try --help", name);
    }
    std::string value;
    if (!flag->takes_value) {
      if (equals != std::string::npos) return Fail("unexpected value for flag '{}'", name);
      value = off ? "false" : "true";
    } else if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return Fail("expected argument for flag '--{}'", name);
    }
    if (const std::string wrong = flag->set(options, value); !wrong.empty()) {
      return Fail("{}, try --help", wrong);
    }
  }
  return options;
}

std::string AlertmanagerHelp() {
  bool unused = false;
  std::string text = "usage: fettle alertmanager [<flags>]\n\nFlags:\n";
  for (const Flag& flag : MakeFlags(unused)) {
    text += fmt::format(
        "      --{:<42} {}\n",
        std::string(flag.takes_value ? "" : "[no-]") + flag.name + (flag.takes_value ? "=…" : ""),
        flag.help);
  }
  return text;
}

}  // namespace fettle
