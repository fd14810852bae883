#include "common/web_config.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

namespace fettle {
namespace {

using yaml::Complaints;
using yaml::Mapping;
using yaml::Node;

constexpr std::size_t kBcryptBytes = 60;

const std::vector<std::pair<std::string, Role>>& RoleWords() {
  static const std::vector<std::pair<std::string, Role>> words = {
      {"read", Role::kRead}, {"webhook", Role::kWebhook}, {"operator", Role::kOperator}};
  return words;
}

// As exporter-toolkit does: relative to the file that names it.
std::string Beside(const Node& node, const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  return (std::filesystem::path(node.place.file).parent_path() / path).string();
}

std::vector<std::pair<std::string, std::string>> Words(const std::vector<std::string>& words) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string& word : words) out.emplace_back(word, word);
  return out;
}

const std::vector<std::string>& Versions() {
  static const std::vector<std::string> versions = {"TLS10", "TLS11", "TLS12", "TLS13"};
  return versions;
}

WebConfig::Tls ReadTls(const Node& node, Complaints& complaints) {
  WebConfig::Tls tls;
  Mapping m(node, "tls_server_config", complaints);
  tls.cert_file = Beside(node, m.Require<std::string>("cert_file"));
  tls.key_file = Beside(node, m.Require<std::string>("key_file"));
  tls.client_ca_file = Beside(node, m.Get<std::string>("client_ca_file", ""));
  tls.client_auth_type =
      m.OneOf<std::string>("client_auth_type", tls.client_auth_type,
                           Words({"NoClientCert", "RequestClientCert", "RequireAnyClientCert",
                                  "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"}));
  tls.min_version = m.OneOf<std::string>("min_version", tls.min_version, Words(Versions()));
  tls.max_version = m.OneOf<std::string>("max_version", tls.max_version, Words(Versions()));
  if (tls.min_version > tls.max_version) {
    m.Complain(m.place(), "min_version is newer than max_version");
  }
  tls.cipher_suites = m.List<std::string>("cipher_suites");
  tls.curve_preferences = m.List<std::string>("curve_preferences");
  tls.prefer_server_cipher_suites = m.Get("prefer_server_cipher_suites", true);
  tls.client_allowed_sans = m.List<std::string>("client_allowed_sans");
  const bool verifies = tls.client_auth_type.find("Verify") != std::string::npos;
  if (verifies && tls.client_ca_file.empty()) {
    m.Complain(m.place(), "client_auth_type " + tls.client_auth_type + " needs client_ca_file");
  }
  if (!tls.client_ca_file.empty() && tls.client_auth_type == "NoClientCert") {
    m.Complain(m.place(), "client_ca_file is given, but client_auth_type asks for no certificate");
  }
  if (!tls.client_allowed_sans.empty() && tls.client_auth_type != "RequireAndVerifyClientCert") {
    m.Complain(m.place(), "client_allowed_sans needs client_auth_type RequireAndVerifyClientCert");
  }
  return tls;
}

void ReadHeaders(Mapping& server, std::map<std::string, std::string>& headers) {
  // As exporter-toolkit: these and no others, so that a page cannot be broken by configuration.
  static const std::map<std::string, std::vector<std::string>> kKnown = {
      {"Strict-Transport-Security", {}}, {"X-Content-Type-Options", {"nosniff"}},
      {"X-XSS-Protection", {}},          {"X-Frame-Options", {"deny", "sameorigin"}},
      {"Content-Security-Policy", {}},
  };
  std::vector<std::string> names;
  for (const auto& [name, values] : kKnown) names.push_back(name);
  server.ForEachEntry("headers", [&](const Node& key, const Node& value) {
    const auto known = kKnown.find(key.text);
    if (known == kKnown.end()) {
      server.Complain(key.place, "headers: \"" + key.text + "\" cannot be configured" +
                                     yaml::Suggestion(key.text, names));
      return;
    }
    if (value.kind == Node::Kind::kNull || value.text.empty()) return;
    const std::vector<std::string>& allowed = known->second;
    const bool plain = std::all_of(value.text.begin(), value.text.end(),
                                   [](char c) { return c == '\t' || (c >= ' ' && c < '\x7f'); });
    if (!plain || (!allowed.empty() &&
                   std::find(allowed.begin(), allowed.end(), value.text) == allowed.end())) {
      server.Complain(value.place, "headers: \"" + value.text + "\" is no value of " + key.text);
      return;
    }
    headers[key.text] = value.text;
  });
}

bool IsBcrypt(const std::string& hash) {
  if (hash.size() != kBcryptBytes || hash.compare(0, 2, "$2") != 0) return false;
  if (hash[2] != 'a' && hash[2] != 'b' && hash[2] != 'y') return false;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (hash[3] != '$' || !digit(hash[4]) || !digit(hash[5]) || hash[6] != '$') return false;
  return std::all_of(hash.begin() + 7, hash.end(), [&](char c) {
    return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '/';
  });
}

void ReadUsers(Mapping& top, std::map<std::string, WebConfig::User>& users) {
  top.ForEachEntry("basic_auth_users", [&](const Node& key, const Node& value) {
    if (key.text.empty() || key.text.find(':') != std::string::npos) {
      top.Complain(key.place, "basic_auth_users: \"" + key.text + "\" cannot be a user's name");
    } else if (!IsBcrypt(value.text)) {
      // The value is not shown: it may be the password itself.
      top.Complain(value.place, "basic_auth_users: the value of \"" + key.text +
                                    "\" is no bcrypt hash (htpasswd -nBC 10 \"\" makes one)");
    } else {
      users[key.text].bcrypt_hash = value.text;
    }
  });
  top.ForEachEntry("user_roles", [&](const Node& key, const Node& value) {
    const auto user = users.find(key.text);
    if (user == users.end()) {
      std::vector<std::string> names;
      for (const auto& [name, entry] : users) names.push_back(name);
      top.Complain(key.place, "user_roles: \"" + key.text + "\" is not in basic_auth_users" +
                                  yaml::Suggestion(key.text, names));
      return;
    }
    std::vector<std::string> words;
    for (const auto& [word, role] : RoleWords()) {
      words.push_back(word);
      if (value.text == word) {
        user->second.role = role;
        return;
      }
    }
    top.Complain(value.place, "user_roles: \"" + value.text + "\" is no role" +
                                  yaml::Suggestion(value.text, words));
  });
}

void ReadTokens(Mapping& top, Complaints& complaints, std::vector<WebConfig::Token>& tokens) {
  std::set<std::string> names;
  top.ForEach("tokens", [&](const Node& item) {
    Mapping m(item, "tokens", complaints);
    WebConfig::Token token;
    token.name = m.Require<std::string>("name");
    token.token = m.GetSecret("token");
    token.role = m.OneOf("role", Role::kRead, RoleWords());
    if (token.token.empty()) m.Complain(m.place(), "\"token\" or \"token_file\" is missing");
    if (!names.insert(token.name).second) {
      m.Complain(m.place(), "the name \"" + token.name + "\" is given twice");
    }
    if (!token.token.path().empty()) {
      token.token = Secret::FromFile(Beside(item, token.token.path()));
    }
    tokens.push_back(std::move(token));
  });
}

WebConfig::Hmac ReadHmac(const Node& node, Complaints& complaints) {
  WebConfig::Hmac hmac;
  Mapping m(node, "hmac", complaints);
  const auto add = [&](const Secret& secret) {
    hmac.secrets.push_back(secret.path().empty() ? secret
                                                 : Secret::FromFile(Beside(node, secret.path())));
  };
  const Secret one = m.GetSecret("secret");
  if (!one.empty()) add(one);
  for (const std::string& path : m.List<std::string>("secret_files")) add(Secret::FromFile(path));
  if (hmac.secrets.empty()) {
    m.Complain(m.place(), "\"secret\", \"secret_file\" or \"secret_files\" is missing");
  }
  hmac.header = m.Get("header", hmac.header);
  hmac.timestamp_header = m.Get("timestamp_header", hmac.timestamp_header);
  hmac.tolerance = m.Get("tolerance", hmac.tolerance);
  if (hmac.tolerance <= Millis(0)) m.Complain(m.place(), "tolerance must be more than 0");
  return hmac;
}

}  // namespace

WebConfig ReadWebConfig(const Node& node, Complaints& complaints) {
  WebConfig config;
  Mapping top(node, "", complaints);
  if (const Node* tls = top.Child("tls_server_config");
      tls != nullptr && tls->kind != Node::Kind::kNull) {
    config.tls = ReadTls(*tls, complaints);
  }
  if (const Node* server = top.Child("http_server_config"); server != nullptr) {
    Mapping m(*server, "http_server_config", complaints);
    m.Get("http2", true);  // Understood and of no effect: fettle serves HTTP/1.1.
    ReadHeaders(m, config.headers);
  }
  ReadUsers(top, config.users);
  ReadTokens(top, complaints, config.tokens);
  if (const Node* hmac = top.Child("hmac"); hmac != nullptr) {
    config.hmac = ReadHmac(*hmac, complaints);
    if (config.users.empty() && config.tokens.empty()) {
      top.Complain(hmac->place,
                   "hmac without basic_auth_users or tokens would leave only /webhook reachable: "
                   "add one of them");
    }
  }
  return config;
}

Result<WebConfig> LoadWebConfig(const std::string& path) {
  if (path.empty()) return WebConfig{};
  Complaints complaints;
  const auto node = yaml::LoadFile(path, complaints, {.expand_environment = false});
  WebConfig web;
  if (node) web = ReadWebConfig(*node, complaints);
  if (!complaints.empty()) return Fail(Cause::kInvalid, "{}", complaints.ToString());
  return web;
}

}  // namespace fettle
