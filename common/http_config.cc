#include "common/http_config.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <tuple>
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

// As Go: the upper case first, then the lower.
std::string FromEnvironment(const std::string& name) {
  for (const std::string& spelling : {name, Lower(name)}) {
    const char* value = std::getenv(spelling.c_str());
    if (value != nullptr && *value != '\0') return value;
  }
  return {};
}

TlsOptions ReadTls(const Node& node, const std::string& directory, yaml::Complaints& complaints) {
  TlsOptions tls;
  Mapping m(node, "tls_config", complaints);
  tls.ca_file = Resolve(directory, m.Get<std::string>("ca_file", ""));
  tls.cert_file = Resolve(directory, m.Get<std::string>("cert_file", ""));
  tls.key_file = Resolve(directory, m.Get<std::string>("key_file", ""));
  tls.server_name = m.Get<std::string>("server_name", "");
  tls.insecure_skip_verify = m.Get("insecure_skip_verify", false);
  tls.ca = m.Get<std::string>("ca", "");
  tls.cert = m.Get<std::string>("cert", "");
  tls.key = m.Get<std::string>("key", "");
  const bool has_cert = !tls.cert_file.empty() || !tls.cert.empty();
  const bool has_key = !tls.key_file.empty() || !tls.key.empty();
  if (has_cert != has_key) {
    m.Complain(node.place, "exactly one of cert and key is configured, both are needed");
  }
  for (const auto& [key, text, file] :
       {std::tuple{"ca", tls.ca, tls.ca_file}, std::tuple{"cert", tls.cert, tls.cert_file},
        std::tuple{"key", tls.key, tls.key_file}}) {
    if (text.empty() || file.empty()) continue;
    m.Complain(node.place,
               fmt::format("at most one of {} and {}_file must be configured", key, key));
  }
  for (const char* key : {"ca_ref", "cert_ref", "key_ref"}) {
    if (Given(m.Child(key))) {
      m.Complain(m.Child(key)->place, std::string(key) + " is not supported by this version");
    }
  }
  const std::vector<std::pair<std::string, std::string>> versions = {
      {"TLS10", "TLS10"}, {"TLS11", "TLS11"}, {"TLS12", "TLS12"}, {"TLS13", "TLS13"}};
  tls.min_version = m.OneOf("min_version", tls.min_version, versions);
  tls.max_version = m.OneOf("max_version", tls.max_version, versions);
  if (tls.min_version > tls.max_version) {
    m.Complain(node.place, "min_version is newer than max_version");
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
  Mapping m(node, "http_config", complaints);
  return ReadHttpConfig(m, directory);
}

HttpConfig ReadHttpConfig(Mapping& m, const std::string& directory) {
  HttpConfig config;
  ReadCredentials(m, directory, config);
  if (const Node* tls = m.Child("tls_config"); Given(tls)) {
    config.tls = ReadTls(*tls, directory, m.complaints());
  }
  config.proxy_url = m.Get<std::string>("proxy_url", "");
  config.no_proxy = m.Get<std::string>("no_proxy", "");
  config.follow_redirects = m.Get("follow_redirects", true);
  m.Get("enable_http2", true);  // a wish that libcurl may grant or not
  ReadHeaders(m, directory, config);
  config.proxy_from_environment = m.Get("proxy_from_environment", false);
  if (config.proxy_from_environment && !config.proxy_url.empty()) {
    m.Complain(m.Child("proxy_from_environment")->place,
               "if proxy_from_environment is configured, proxy_url must not be");
  }
  if (config.proxy_from_environment && !config.no_proxy.empty()) {
    m.Complain(m.Child("proxy_from_environment")->place,
               "if proxy_from_environment is configured, no_proxy must not be");
  }
  for (const char* key : {"oauth2", "proxy_connect_header"}) {
    if (Given(m.Child(key))) {
      m.Complain(m.Child(key)->place, std::string(key) + " is not supported by this version");
    }
  }
  if (config.proxy_url.empty() && !config.no_proxy.empty() && !config.proxy_from_environment) {
    m.Complain(m.Child("no_proxy")->place, "if no_proxy is configured, proxy_url must be, too");
  }
  return config;
}

Status HttpConfig::Apply(HttpRequest& request, HttpOptions& options) const {
  options.tls = tls;
  options.proxy_url = proxy_url;
  options.no_proxy = no_proxy;
  if (proxy_from_environment) {
    options.proxy_url =
        FromEnvironment(request.url.starts_with("https:") ? "HTTPS_PROXY" : "HTTP_PROXY");
    options.no_proxy = FromEnvironment("NO_PROXY");
  }
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
