// The `connections:` section: servers that all three modules talk to, named once. Values.
#pragma once

#include <map>
#include <string>

#include "common/http.h"
#include "common/secret.h"
#include "common/yaml.h"

namespace fettle {

struct DockerConnection {
  std::string endpoint;  // unix:///var/run/docker.sock, tcp://proxy:2375, http(s)://…
};
struct PostgresConnection {
  Secret dsn;  // libpq's key=value or URI form
};
struct RedisConnection {
  std::string address;  // host:port
  std::string username;
  Secret password;
  bool tls = false;
  std::string ca_file;
};
struct S3Connection {
  std::string endpoint;  // "" is AWS
  std::string region = "us-east-1";
  Secret access_key_id;  // empty: AWS's own credential chain
  Secret secret_access_key;
  Secret session_token;
  enum class Addressing { kAuto, kPath, kVirtualHost } addressing = Addressing::kAuto;
  TlsOptions tls;
};

struct Connections {
  std::map<std::string, DockerConnection> docker;
  std::map<std::string, PostgresConnection> postgres;
  std::map<std::string, RedisConnection> redis;
  std::map<std::string, S3Connection> s3;
};

// ca_file, cert_file, key_file, server_name and insecure_skip_verify, as Prometheus' tls_config.
TlsOptions ReadTlsOptions(const yaml::Node& node, const std::string& what,
                          yaml::Complaints& complaints);

// Complains about what is wrong; `node` may be null (no such section).
Connections ReadConnections(const yaml::Node* node, yaml::Complaints& complaints);

}  // namespace fettle
