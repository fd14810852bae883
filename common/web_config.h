// --web.config.file: Prometheus' exporter-toolkit format (tls_server_config, http_server_config,
// basic_auth_users with bcrypt hashes), plus `tokens` (bearer, from files, with roles) and `hmac`
// for /webhook. Source: github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/http.h"
#include "common/result.h"
#include "common/secret.h"
#include "common/yaml.h"

namespace fettle {

struct WebConfig {
  struct Tls {
    std::string cert_file;
    std::string key_file;
    std::string client_ca_file;
    std::string client_auth_type = "NoClientCert";
    std::string min_version = "TLS12";
  };
  struct User {
    std::string bcrypt_hash;
    Role role = Role::kOperator;  // exporter-toolkit's users may do everything
  };
  struct Token {
    std::string name;
    Secret token;
    Role role = Role::kRead;
  };
  struct Hmac {
    std::vector<Secret> secrets;  // several, for rotation
    std::string header = "X-Fettle-Signature";
    std::string timestamp_header = "X-Fettle-Timestamp";
    Millis tolerance{300'000};
  };
  std::optional<Tls> tls;
  std::map<std::string, std::string> headers;  // sent with every answer
  std::map<std::string, User> users;
  std::vector<Token> tokens;
  std::optional<Hmac> hmac;

  // True if anything asks who is there.
  bool HasAuthentication() const { return !users.empty() || !tokens.empty() || hmac.has_value(); }
};

WebConfig ReadWebConfig(const yaml::Node& node, yaml::Complaints& complaints);

}  // namespace fettle
