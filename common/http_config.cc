#include "common/http_config.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <utility>

#include "common/digest.h"
#include "common/labels.h"

namespace fettle {
namespace {

using yaml::Mapping;
using yaml::Node;

bool Given(const Node* node) { return node != nullptr && node->kind != Node::Kind::kNull; }

std::string Resolve(const std::string& directory, const std::string& path) {
  if (path.empty() || path.front() == '/' || directory.empty()) return path;
  return (std::filesystem::path(directory) / path).string();
}

// As Mapping::GetSecret, but the file's path is relative to the configuration.
Secret GetSecret(Mapping& m, const std::string& key, const std::string& directory) {
  Secret secret = m.GetSecret(key);
  if (secret.path().empty()) return secret;
  return Secret::FromFile(Resolve(directory, secret.path()));
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

TlsOptions ReadTls(const Node& node, const std::string& directory, yaml::Complaints& complaints) {
  TlsOptions tls;
  Mapping m(node, "tls_config", complaints);
  tls.ca_file = Resolve(directory, m.Get<std::string>("ca_file", ""));
  tls.cert_file = Resolve(directory, m.Get<std::string>("cert_file", ""));
  tls.key_file = Resolve(directory, m.Get<std::string>("key_file", ""));
  tls.server_name = m.Get<std::string>("server_name", "");
  tls.insecure_skip_verify = m.Get("insecure_skip_verify", false);
  if (tls.cert_file.empty() != tls.key_file.empty()) {
    m.Complain(node.place, "exactly one of cert_file and key_file is configured, both are needed");
  }
  for (const char* key : {"ca", "cert", "key", "ca_ref", "cert_ref", "key_ref", "max_version"}) {
    if (Given(m.Child(key))) {
      m.Complain(m.Child(key)->place, std::string(key) + " is not supported by this version");
    }
  }
  const std::vector<std::pair<std::string, int>> versions = {
      {"TLS10", 0}, {"TLS11", 1}, {"TLS12", 2}, {"TLS13", 3}};
  if (m.OneOf("min_version", 2, versions) > 2) {
    m.Complain(m.Child("min_version")->place,
               "TLS13 as min_version is not supported by this version");
  }
  return tls;
}

void ReadCredentials(Mapping& m, const std::string& directory, HttpConfig& config) {
  if (const Node* node = m.Child("basic_auth"); Given(node)) {
    Mapping basic(*node, m.what() + ".basic_auth", m.complaints());
    config.basic_auth = HttpConfig::BasicAuth{GetSecret(basic, "username", directory),
                                              GetSecret(basic, "password", directory)};
  }
  if (const Node* node = m.Child("authorization"); Given(node)) {
    Mapping authorization(*node, m.what() + ".authorization", m.complaints());
    config.authorization =
        HttpConfig::Authorization{authorization.Get<std::string>("type", "Bearer"),
                                  GetSecret(authorization, "credentials", directory)};
    if (Lower(config.authorization->type) == "basic") {
      authorization.Complain(
          node->place, R"(authorization type cannot be set to "basic", use "basic_auth" instead)");
    }
  }
  const Secret token = GetSecret(m, "bearer_token", directory);
  const int ways = static_cast<int>(config.basic_auth.has_value()) +
                   static_cast<int>(config.authorization.has_value()) +
                   static_cast<int>(!token.empty());
  if (ways > 1) {
    m.Complain(m.place(),
               "at most one of basic_auth, authorization & bearer_token must be configured");
  }
  if (!token.empty()) config.authorization = HttpConfig::Authorization{"Bearer", token};
}

void ReadHeaders(Mapping& m, const std::string& directory, HttpConfig& config) {
  static constexpr std::array kReserved = {"authorization",
                                           "host",
                                           "content-encoding",
                                           "content-length",
                                           "content-type",
                                           "user-agent",
                                           "connection",
                                           "keep-alive",
                                           "proxy-authenticate",
                                           "proxy-authorization",
                                           "www-authenticate",
                                           "accept-encoding",
                                           "x-prometheus-remote-write-version"};
  m.ForEachEntry("http_headers", [&](const Node& name, const Node& value) {
    if (std::find(kReserved.begin(), kReserved.end(), Lower(name.text)) != kReserved.end()) {
      m.Complain(name.place, "setting header " + Quote(name.text) + " is not allowed");
    }
    Mapping header(value, m.what() + ".http_headers." + name.text, m.complaints());
    std::vector<Secret>& secrets = config.headers[name.text];
    for (const char* key : {"values", "secrets"}) {
      for (std::string& text : header.List<std::string>(key)) {
        secrets.push_back(Secret::FromText(std::move(text)));
      }
    }
    for (const std::string& path : header.List<std::string>("files")) {
      secrets.push_back(Secret::FromFile(Resolve(directory, path)));
    }
  });
}

}  // namespace

HttpConfig ReadHttpConfig(const Node& node, const std::string& directory,
                          yaml::Complaints& complaints) {
  HttpConfig config;
  Mapping m(node, "http_config", complaints);
  ReadCredentials(m, directory, config);
  if (const Node* tls = m.Child("tls_config"); Given(tls)) {
    config.tls = ReadTls(*tls, directory, complaints);
  }
  config.proxy_url = m.Get<std::string>("proxy_url", "");
  config.no_proxy = m.Get<std::string>("no_proxy", "");
  config.follow_redirects = m.Get("follow_redirects", true);
  m.Get("enable_http2", true);  // a wish that libcurl may grant or not
  ReadHeaders(m, directory, config);
  const bool from_environment = m.Get("proxy_from_environment", false);
  if (from_environment) {
    m.Complain(m.Child("proxy_from_environment")->place,
               "proxy_from_environment is not supported by this version");
  }
  for (const char* key : {"oauth2", "proxy_connect_header"}) {
    if (Given(m.Child(key))) {
      m.Complain(m.Child(key)->place, std::string(key) + " is not supported by this version");
    }
  }
  if (config.proxy_url.empty() && !config.no_proxy.empty()) {
    m.Complain(m.Child("no_proxy")->place, "if no_proxy is configured, proxy_url must be, too");
  }
  return config;
}

Status HttpConfig::Apply(HttpRequest& request, HttpOptions& options) const {
  options.tls = tls;
  options.proxy_url = proxy_url;
  options.no_proxy = no_proxy;
  options.follow_redirects = follow_redirects;
  for (const auto& [name, secrets] : headers) {
    for (const Secret& secret : secrets) {
      const Result<std::string> value = secret.Reveal();
      if (!value) return While("reading http_headers." + name, value.error());
      request.headers.Add(name, *value);
    }
  }
  if (basic_auth) {
    const Result<std::string> username = basic_auth->username.Reveal();
    if (!username) return While("reading basic_auth.username_file", username.error());
    const Result<std::string> password = basic_auth->password.Reveal();
    if (!password) return While("reading basic_auth.password_file", password.error());
    request.headers.Set("Authorization", "Basic " + Base64(*username + ":" + *password));
  }
  if (authorization && !authorization->credentials.empty()) {
    const Result<std::string> credentials = authorization->credentials.Reveal();
    if (!credentials) return While("reading authorization.credentials_file", credentials.error());
    request.headers.Set("Authorization", authorization->type + " " + *credentials);
  }
  return {};
}

}  // namespace fettle
