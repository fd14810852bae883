// The web configuration file: what exporter-toolkit's says, what is added, and every complaint.
#include "common/web_config.h"

#include <gmock/gmock.h>

#include "tests/support/temp_dir.h"

namespace fettle {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr const char* kHash = "$2y$10$X4lBWykzTJm2Nt/IXLFgj.OAjYxRHwb8ad.u4UrYen3/lTW7PumA2";

struct Reading {
  WebConfig config;
  std::string complaints;
};

Reading Read(const std::string& text) {
  yaml::Complaints complaints;
  const auto node = yaml::Load(text, "/etc/fettle/web.yml", complaints);
  Reading reading;
  if (node) reading.config = ReadWebConfig(*node, complaints);
  reading.complaints = complaints.ToString();
  return reading;
}

TEST(WebConfigTest, IsOpenWhenEmpty) {
  for (const char* text : {"", "{}", "basic_auth_users:\n", "http_server_config:\n"}) {
    const Reading reading = Read(text);
    EXPECT_EQ(reading.complaints, "");
    EXPECT_FALSE(reading.config.HasAuthentication());
    EXPECT_FALSE(reading.config.tls);
  }
}

TEST(WebConfigTest, ReadsExporterToolkitsFile) {
  const Reading reading = Read(fmt::format(R"(
tls_server_config:
  cert_file: server.crt
  key_file: /run/secrets/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: tls/ca.crt
  client_allowed_sans: [prometheus.example.org]
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  min_version: TLS13
  max_version: TLS13
  curve_preferences: [X25519]
http_server_config:
  http2: false
  headers:
    Strict-Transport-Security: max-age=63072000; includeSubDomains
    X-Content-Type-Options: nosniff
    X-Frame-Options:
basic_auth_users:
  alice: {0}
  bob: {0}
)",
                                           kHash));
  EXPECT_EQ(reading.complaints, "");
  const WebConfig& config = reading.config;
  ASSERT_TRUE(config.tls);
  EXPECT_EQ(config.tls->cert_file, "/etc/fettle/server.crt");
  EXPECT_EQ(config.tls->key_file, "/run/secrets/server.key");
  EXPECT_EQ(config.tls->client_ca_file, "/etc/fettle/tls/ca.crt");
  EXPECT_EQ(config.tls->client_auth_type, "RequireAndVerifyClientCert");
  EXPECT_EQ(config.tls->min_version, "TLS13");
  EXPECT_FALSE(config.tls->prefer_server_cipher_suites);
  EXPECT_THAT(config.tls->curve_preferences, ElementsAre("X25519"));
  EXPECT_THAT(config.headers,
              ElementsAre(Pair("Strict-Transport-Security", "max-age=63072000; includeSubDomains"),
                          Pair("X-Content-Type-Options", "nosniff")));
  EXPECT_EQ(config.users.at("alice").bcrypt_hash, kHash);
  EXPECT_EQ(config.users.at("bob").role, Role::kOperator);
  EXPECT_TRUE(config.HasAuthentication());
}

TEST(WebConfigTest, ReadsRolesTokensAndHmac) {
  TempDir dir;
  const Reading reading = Read(fmt::format(R"(
basic_auth_users: {{grafana: {}}}
user_roles: {{grafana: read}}
tokens:
- {{name: prometheus, token_file: {}, role: read}}
- {{name: alertmanager, token: t, role: webhook}}
- {{name: default, token: d}}
hmac:
  secret_file: hmac.key
  secret_files: [/old.key, older.key]
  header: X-Signature
  timestamp_header: X-Time
  tolerance: 1m
)",
                                           kHash, dir.Write("token", "from file\n")));
  EXPECT_EQ(reading.complaints, "");
  const WebConfig& config = reading.config;
  EXPECT_EQ(config.users.at("grafana").role, Role::kRead);
  ASSERT_EQ(config.tokens.size(), 3U);
  EXPECT_EQ(*config.tokens[0].token.Reveal(), "from file");
  EXPECT_EQ(config.tokens[1].role, Role::kWebhook);
  EXPECT_EQ(config.tokens[2].role, Role::kRead);
  ASSERT_TRUE(config.hmac);
  ASSERT_EQ(config.hmac->secrets.size(), 3U);
  EXPECT_EQ(config.hmac->secrets[0].path(), "/etc/fettle/hmac.key");
  EXPECT_EQ(config.hmac->secrets[1].path(), "/old.key");
  EXPECT_EQ(config.hmac->secrets[2].path(), "/etc/fettle/older.key");
  EXPECT_EQ(config.hmac->header, "X-Signature");
  EXPECT_EQ(config.hmac->tolerance, Millis(60'000));
}

TEST(WebConfigTest, CountsACheckedClientCertificateAsAuthentication) {
  const std::string text =
      "tls_server_config: {cert_file: c, key_file: k, client_ca_file: a, client_auth_type: ";
  EXPECT_TRUE(Read(text + "RequireAndVerifyClientCert}").config.HasAuthentication());
  EXPECT_FALSE(Read(text + "RequireAndVerifyClientCert}").config.NeedsCredentials());
  EXPECT_FALSE(Read(text + "VerifyClientCertIfGiven}").config.HasAuthentication());
}

TEST(WebConfigTest, ComplainsAboutEveryMistakeWithItsPlace) {
  struct Case {
    std::string text;
    std::string complaint;
  };
  for (
      const Case& c : std::vector<Case>{
          {"basic_auth_user: {}",
           "1:1: unknown key \"basic_auth_user\", did you mean \"basic_auth_users\"?"},
          {"basic_auth_users: {alice: secret}",
           "1:27: basic_auth_users: the value of \"alice\" is no bcrypt hash (htpasswd -nBC 10 "
           "\"\" makes one)"},
          {fmt::format("basic_auth_users: {{\"a:b\": {}}}", kHash),
           "1:20: basic_auth_users: \"a:b\" cannot be a user's name"},
          {"user_roles: {alice: read}", "1:14: user_roles: \"alice\" is not in basic_auth_users"},
          {fmt::format("basic_auth_users: {{alice: {}}}\nuser_roles: {{alice: reader}}", kHash),
           "2:21: user_roles: \"reader\" is no role, did you mean \"read\"?"},
          {"tls_server_config: {cert_file: c}", "1:20: tls_server_config: \"key_file\" is missing"},
          {"tls_server_config: {cert_file: c, key_file: k, client_ca_file: a}",
           "1:20: tls_server_config: client_ca_file is given, but client_auth_type asks for no "
           "certificate"},
          {"tls_server_config: {cert_file: c, key_file: k, client_auth_type: "
           "VerifyClientCertIfGiven}",
           "1:20: tls_server_config: client_auth_type VerifyClientCertIfGiven needs "
           "client_ca_file"},
          {"tls_server_config: {cert_file: c, key_file: k, min_version: TLS13, max_version: TLS12}",
           "1:20: tls_server_config: min_version is newer than max_version"},
          {"tls_server_config: {cert_file: c, key_file: k, client_allowed_sans: [x]}",
           "1:20: tls_server_config: client_allowed_sans needs client_auth_type "
           "RequireAndVerifyClientCert"},
          {"http_server_config: {headers: {X-Frame-Option: deny}}",
           "1:32: http_server_config: headers: \"X-Frame-Option\" cannot be configured, did you "
           "mean \"X-Frame-Options\"?"},
          {"http_server_config: {headers: {X-Frame-Options: allow}}",
           "1:49: http_server_config: headers: \"allow\" is no value of X-Frame-Options"},
          {"http_server_config: {headers: {Content-Security-Policy: \"a\\r\\nb\"}}",
           "1:57: http_server_config: headers: \"a\r\nb\" is no value of "
           "Content-Security-Policy"},
          {"tokens: [{name: a}]", "1:10: tokens: \"token\" or \"token_file\" is missing"},
          {"tokens: [{token: t}]", "1:10: tokens: \"name\" is missing"},
          {"tokens: [{name: a, token: t}, {name: a, token: u}]",
           "1:31: tokens: the name \"a\" is given twice"},
          {"tokens: [{name: a, token: t, role: admin}]",
           "1:36: tokens: role must be read, webhook or operator, not \"admin\""},
          {"tokens: [{name: a, token: t}]\nhmac: {}",
           "2:7: hmac: \"secret\", \"secret_file\" or \"secret_files\" is missing"},
          {"tokens: [{name: a, token: t}]\nhmac: {secret: s, tolerance: 0s}",
           "2:7: hmac: tolerance must be more than 0"},
          {"hmac: {secret: s}",
           "1:7: hmac without basic_auth_users or tokens would leave only /webhook reachable: add "
           "one of them"},
      }) {
    EXPECT_EQ(Read(c.text).complaints, "/etc/fettle/web.yml:" + c.complaint) << c.text;
  }
}

TEST(WebConfigTest, KnowsBcryptHashesByTheirForm) {
  const std::string hash = kHash;
  for (const std::string& bad :
       {hash.substr(1), hash + "x", "$2x" + hash.substr(3), "$2y$1x" + hash.substr(6),
        "$2y$10." + hash.substr(7), hash.substr(0, 59) + "!", std::string("$apr1$x$y")}) {
    EXPECT_NE(Read("basic_auth_users: {a: '" + bad + "'}").complaints, "") << bad;
  }
  for (const char* kind : {"$2a", "$2b", "$2y"}) {
    EXPECT_EQ(
        Read("basic_auth_users: {a: '" + std::string(kind) + hash.substr(3) + "'}").complaints, "");
  }
}

}  // namespace
}  // namespace fettle
