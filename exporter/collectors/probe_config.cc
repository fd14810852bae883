#include <set>
#include <utility>

#include "common/dial.h"
#include "exporter/collectors/configured.h"
#include "exporter/collectors/probe.h"
#include "exporter/collectors/probe_kinds.h"

namespace fettle::exporter {
namespace {

using Maker = std::function<std::unique_ptr<Probe>(HttpTransport&, const Clock&)>;

struct Reader {
  yaml::Complaints& complaints;
  const Connections& connections;
  const std::string& name;

  std::string Address(yaml::Mapping& mapping) const {
    const auto address = mapping.Require<std::string>("address");
    if (!address.empty() && !address.starts_with('/')) {
      if (const auto parsed = ParseHostPort(address); !parsed) {
        mapping.Complain(mapping.Child("address")->place, parsed.error().message);
      }
    }
    return address;
  }

  Maker Http(const yaml::Node& node) const {
    yaml::Mapping mapping(node, "exporter.health.http", complaints);
    HttpProbeConfig config;
    config.url = mapping.Require<std::string>("url");
    if (!config.url.empty() && !config.url.starts_with("http://") &&
        !config.url.starts_with("https://")) {
      mapping.Complain(mapping.Child("url")->place,
                       "url \"" + config.url + "\" does not begin with http:// or https://");
    }
    config.method = mapping.Get<std::string>("method", config.method);
    config.headers = mapping.StringMap("headers");
    config.body = mapping.Get<std::string>("body", "");
    config.expect_status = mapping.List<int>("expect_status");
    for (const int status : config.expect_status) {
      if (status >= 100 && status <= 599) continue;
      mapping.Complain(PlaceOf(mapping, "expect_status"),
                       fmt::format("expect_status: {} is no status of HTTP", status));
    }
    config.expect_body = mapping.Get<std::string>("expect_body", "");
    config.follow_redirects = mapping.Get<bool>("follow_redirects", false);
    if (const yaml::Node* tls = mapping.Child("tls_config")) {
      yaml::Mapping inner(*tls, "exporter.health.http.tls_config", complaints);
      config.tls.ca_file = inner.Get<std::string>("ca_file", "");
      config.tls.cert_file = inner.Get<std::string>("cert_file", "");
      config.tls.key_file = inner.Get<std::string>("key_file", "");
      config.tls.server_name = inner.Get<std::string>("server_name", "");
      config.tls.insecure_skip_verify = inner.Get<bool>("insecure_skip_verify", false);
    }
    return [config](HttpTransport& transport, const Clock&) {
      return MakeHttpProbe(config, transport);
    };
  }

  Maker Tcp(const yaml::Node& node) const {
    yaml::Mapping mapping(node, "exporter.health.tcp", complaints);
    TcpProbeConfig config{.address = Address(mapping),
                          .send = mapping.Get<std::string>("send", ""),
                          .expect = mapping.Get<std::string>("expect", "")};
    return [config](HttpTransport&, const Clock& clock) { return MakeTcpProbe(config, clock); };
  }

  Maker Tls(const yaml::Node& node) const {
    yaml::Mapping mapping(node, "exporter.health.tls", complaints);
    TlsProbeConfig config{.name = name,
                          .address = Address(mapping),
                          .server_name = mapping.Get<std::string>("server_name", ""),
                          .ca_file = mapping.Get<std::string>("ca_file", ""),
                          .insecure_skip_verify = mapping.Get<bool>("insecure_skip_verify", false)};
    return [config](HttpTransport&, const Clock& clock) { return MakeTlsProbe(config, clock); };
  }

  Maker Exec(const yaml::Node& node) const {
    yaml::Mapping mapping(node, "exporter.health.exec", complaints);
    ExecProbeConfig config{.command = mapping.List<std::string>("command"),
                           .environment = mapping.StringMap("environment")};
    if (config.command.empty()) mapping.Complain(node.place, "\"command\" is missing");
    return [config](HttpTransport&, const Clock&) { return MakeExecProbe(config); };
  }

  Maker PostgresProbe(const yaml::Node& node) const {
    yaml::Mapping mapping(node, "exporter.health.postgres", complaints);
    PostgresProbeConfig config{.connection = ReadConnection(mapping, connections.postgres).second,
                               .query = mapping.Get<std::string>("query", "select 1")};
    return [config](HttpTransport&, const Clock&) { return MakePostgresProbe(config); };
  }

  Maker RedisProbe(const yaml::Node& node) const {
    yaml::Mapping mapping(node, "exporter.health.redis", complaints);
    const RedisConnection connection = ReadConnection(mapping, connections.redis).second;
    return [connection](HttpTransport&, const Clock&) { return MakeRedisProbe(connection); };
  }
};

ProbeConfig ReadOne(const yaml::Node& node, const Connections& connections, Millis interval,
                    yaml::Complaints& complaints) {
  yaml::Mapping mapping(node, "exporter.health", complaints);
  ProbeConfig config;
  config.name = mapping.Require<std::string>("name");
  config.interval = ReadInterval(mapping, interval);
  config.timeout = mapping.Get<Millis>("timeout", config.timeout);
  config.failures = mapping.Get<int>("failures", config.failures);
  if (config.timeout <= Millis(0)) {
    mapping.Complain(PlaceOf(mapping, "timeout"), "timeout must be longer than 0s");
  }
  if (config.failures < 1) {
    mapping.Complain(PlaceOf(mapping, "failures"),
                     fmt::format("failures must be at least 1, not {}", config.failures));
  }
  const Reader reader{complaints, connections, config.name};
  struct Kind {
    const char* word;
    Maker (Reader::*read)(const yaml::Node&) const;
  };
  constexpr Kind kKinds[] = {{"http", &Reader::Http},
                             {"tcp", &Reader::Tcp},
                             {"tls", &Reader::Tls},
                             {"exec", &Reader::Exec},
                             {"postgres", &Reader::PostgresProbe},
                             {"redis", &Reader::RedisProbe}};
  int given = 0;
  for (const Kind& kind : kKinds) {
    const yaml::Node* inner = mapping.Child(kind.word);
    if (inner == nullptr) continue;
    ++given;
    config.kind = kind.word;
    config.make = (reader.*kind.read)(*inner);
  }
  if (given != 1) {
    mapping.Complain(node.place,
                     "a probe needs exactly one of http, tcp, tls, exec, postgres, redis");
  }
  return config;
}

}  // namespace

std::vector<ProbeConfig> ReadProbeConfigs(yaml::Mapping& exporter, const Connections& connections,
                                          Millis interval) {
  std::vector<ProbeConfig> probes;
  std::set<std::string> names;
  exporter.ForEach("health", [&](const yaml::Node& node) {
    ProbeConfig probe = ReadOne(node, connections, interval, exporter.complaints());
    if (!probe.name.empty() && !names.insert(probe.name).second) {
      exporter.Complain(node.place, "health has two probes named \"" + probe.name + "\"");
    }
    if (probe.make) probes.push_back(std::move(probe));
  });
  return probes;
}

}  // namespace fettle::exporter
