// --web.config.file: Prometheus' exporter-toolkit format (tls_server_config, http_server_config,
// basic_auth_users with bcrypt hashes), plus `user_roles`, `tokens` (bearer, from files, with
// roles) and `hmac` for /webhook. Relative paths are relative to the file. A value.
// Source: github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
#pragma once

#include <map>
#include <optional>
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
    std::string max_version = "TLS13";
    std::vector<std::string> cipher_suites;      // IANA names, of TLS 1.2 and before
    std::vector<std::string> curve_preferences;  // CurveP256, X25519, …
    bool prefer_server_cipher_suites = true;
    std::vector<std::string> client_allowed_sans;
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
  bool HasAuthentication() const {
    return NeedsCredentials() || (tls && tls->client_auth_type == "RequireAndVerifyClientCert");
  }
  // True if a request must bring a password, a token or a signature.
  bool NeedsCredentials() const { return !users.empty() || !tokens.empty() || hmac.has_value(); }
};

WebConfig ReadWebConfig(const yaml::Node& node, yaml::Complaints& complaints);

// The file as a whole, or every complaint about it; "" is no file and asks nobody for anything.
// ${NAME} means nothing in it, because it is Prometheus' own format.
Result<WebConfig> LoadWebConfig(const std::string& path);

}  // namespace fettle
