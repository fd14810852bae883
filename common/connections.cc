#include "common/connections.h"

#include <algorithm>
#include <string_view>

namespace fettle {
namespace {

bool HasScheme(std::string_view url, std::initializer_list<std::string_view> schemes) {
  return std::any_of(schemes.begin(), schemes.end(), [&](std::string_view scheme) {
    return url.size() > scheme.size() && url.starts_with(scheme);
  });
}

// host:port or [::1]:port
bool IsAddress(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view host = address.substr(0, colon);
  const std::string_view port = address.substr(colon + 1);
  const bool bracketed = host.front() == '[' && host.back() == ']';
  if (!bracketed && host.find(':') != std::string_view::npos) return false;
  if (port.empty() || port.size() > 5) return false;
  int number = 0;
  for (const char c : port) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + (c - '0');
  }
  return number >= 1 && number <= 65'535;
}

const yaml::Place& PlaceOf(yaml::Mapping& mapping, std::string_view key) {
  const yaml::Node* node = mapping.Child(key);
  return node == nullptr ? mapping.place() : node->place;
}

DockerConnection ReadDocker(yaml::Mapping& mapping) {
  DockerConnection docker;
  docker.endpoint = mapping.Require<std::string>("endpoint");
  if (!docker.endpoint.empty() &&
      !HasScheme(docker.endpoint, {"unix:///", "tcp://", "http://", "https://"})) {
    mapping.Complain(PlaceOf(mapping, "endpoint"),
                     "endpoint must begin with unix:///, tcp://, http:// or https://, not be " +
                         yaml::Shown(docker.endpoint));
  }
  return docker;
}

PostgresConnection ReadPostgres(yaml::Mapping& mapping) {
  PostgresConnection postgres;
  postgres.dsn = mapping.GetSecret("dsn");
  if (postgres.dsn.empty()) {
    mapping.Complain(mapping.place(), "one of dsn & dsn_file must be configured");
  }
  return postgres;
}

RedisConnection ReadRedis(yaml::Mapping& mapping) {
  RedisConnection redis;
  redis.address = mapping.Require<std::string>("address");
  if (!redis.address.empty() && !IsAddress(redis.address)) {
    mapping.Complain(PlaceOf(mapping, "address"),
                     "address must be host:port, not " + yaml::Shown(redis.address));
  }
  redis.username = mapping.Get<std::string>("username", "");
  redis.password = mapping.GetSecret("password");
  redis.tls = mapping.Get<bool>("tls", false);
  redis.ca_file = mapping.Get<std::string>("ca_file", "");
  return redis;
}

S3Connection ReadS3(yaml::Mapping& mapping) {
  using Addressing = S3Connection::Addressing;
  S3Connection s3;
  s3.endpoint = mapping.Get<std::string>("endpoint", "");
  if (!s3.endpoint.empty() && !HasScheme(s3.endpoint, {"http://", "https://"})) {
    mapping.Complain(
        PlaceOf(mapping, "endpoint"),
        "endpoint must begin with http:// or https://, not be " + yaml::Shown(s3.endpoint));
  }
  s3.region = mapping.Get<std::string>("region", s3.region);
  s3.access_key_id = mapping.GetSecret("access_key_id");
  s3.secret_access_key = mapping.GetSecret("secret_access_key");
  s3.session_token = mapping.GetSecret("session_token");
  if (s3.access_key_id.empty() != s3.secret_access_key.empty()) {
    mapping.Complain(mapping.place(),
                     "access_key_id and secret_access_key belong together; configure both or none");
  }
  s3.addressing = mapping.OneOf<Addressing>("addressing", s3.addressing,
                                            {{"auto", Addressing::kAuto},
                                             {"path", Addressing::kPath},
                                             {"virtual_host", Addressing::kVirtualHost}});
  if (const yaml::Node* node = mapping.Child("tls"); node != nullptr) {
    s3.tls = ReadTlsOptions(*node, mapping.what() + ".tls", mapping.complaints());
  }
  return s3;
}

// {name: {...}, ...} of one kind of server.
template <typename Connection>
std::map<std::string, Connection> ReadKind(yaml::Mapping& connections, const std::string& kind,
                                           Connection (*read)(yaml::Mapping&)) {
  std::map<std::string, Connection> out;
  connections.ForEachEntry(kind, [&](const yaml::Node& name, const yaml::Node& node) {
    if (name.text.empty()) {
      connections.Complain(name.place, kind + " has a connection without a name");
      return;
    }
    yaml::Mapping mapping(node, fmt::format("connections.{}.{}", kind, name.text),
                          connections.complaints());
    out.emplace(name.text, read(mapping));
  });
  return out;
}

}  // namespace

TlsOptions ReadTlsOptions(const yaml::Node& node, const std::string& what,
                          yaml::Complaints& complaints) {
  TlsOptions tls;
  yaml::Mapping mapping(node, what, complaints);
  tls.ca_file = mapping.Get<std::string>("ca_file", "");
  tls.cert_file = mapping.Get<std::string>("cert_file", "");
  tls.key_file = mapping.Get<std::string>("key_file", "");
  tls.server_name = mapping.Get<std::string>("server_name", "");
  tls.insecure_skip_verify = mapping.Get<bool>("insecure_skip_verify", false);
  if (tls.cert_file.empty() != tls.key_file.empty()) {
    mapping.Complain(mapping.place(),
                     "cert_file and key_file belong together; configure both or none");
  }
  return tls;
}

Connections ReadConnections(const yaml::Node* node, yaml::Complaints& complaints) {
  Connections out;
  if (node == nullptr) return out;
  yaml::Mapping mapping(*node, "connections", complaints);
  out.docker = ReadKind<DockerConnection>(mapping, "docker", ReadDocker);
  out.postgres = ReadKind<PostgresConnection>(mapping, "postgres", ReadPostgres);
  out.redis = ReadKind<RedisConnection>(mapping, "redis", ReadRedis);
  out.s3 = ReadKind<S3Connection>(mapping, "s3", ReadS3);
  return out;
}

}  // namespace fettle
