// http_config of Prometheus' and Alertmanager's files: how a client proves who it is and which way
// it goes. Source: prometheus.io/docs/alerting/latest/configuration/#http_config.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/http.h"
#include "common/secret.h"
#include "common/yaml.h"

namespace fettle {

// A value; `HttpConfig{}` is the documented default.
struct HttpConfig {
  struct BasicAuth {
    Secret username;
    Secret password;
  };
  struct Authorization {
    std::string type = "Bearer";
    Secret credentials;
  };
  std::optional<BasicAuth> basic_auth;
  std::optional<Authorization> authorization;  // bearer_token reads as one, too
  TlsOptions tls;
  std::string proxy_url;
  std::string no_proxy;
  bool proxy_from_environment = false;  // HTTP_PROXY, HTTPS_PROXY, NO_PROXY or in lower case
  bool follow_redirects = true;
  std::map<std::string, std::vector<Secret>> headers;

  // Puts it into a request. Credentials from files are read now; an error names the key and path.
  Status Apply(HttpRequest& request, HttpOptions& options) const;
};

// Complains about what is wrong and about what is known but not supported by this version. Relative
// paths start at `directory`.
HttpConfig ReadHttpConfig(const yaml::Node& node, const std::string& directory,
                          yaml::Complaints& complaints);
// The same keys where they stand among others, as in scrape_configs and remote_write.
HttpConfig ReadHttpConfig(yaml::Mapping& m, const std::string& directory);

}  // namespace fettle
