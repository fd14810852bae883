#include "common/http_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "tests/support/temp_dir.h"

namespace fettle {
namespace {

using testing::HasSubstr;

struct Read {
  HttpConfig config;
  std::string complaints;
};

Read ReadText(const std::string& text, const std::string& directory = "/etc/am") {
  yaml::Complaints complaints;
  const auto node = yaml::Load(text, "f.yml", complaints);
  Read read;
  read.config = ReadHttpConfig(*node, directory, complaints);
  read.complaints = complaints.ToString();
  return read;
}

std::string Authorization(const HttpConfig& config) {
  HttpRequest request;
  HttpOptions options;
  EXPECT_TRUE(config.Apply(request, options));
  return std::string(request.headers.Get("Authorization"));
}

TEST(HttpConfigTest, NothingMeansRedirectsAndNoCredentials) {
  const Read read = ReadText("{}");
  EXPECT_EQ(read.complaints, "");
  HttpRequest request;
  HttpOptions options;
  ASSERT_TRUE(read.config.Apply(request, options));
  EXPECT_TRUE(options.follow_redirects);
  EXPECT_FALSE(request.headers.Has("Authorization"));
  EXPECT_EQ(options.proxy_url, "");
}

TEST(HttpConfigTest, CredentialsBecomeTheAuthorizationHeader) {
  EXPECT_EQ(Authorization(ReadText("basic_auth: {username: u, password: p}").config), "Basic dTpw");
  EXPECT_EQ(Authorization(ReadText("authorization: {credentials: t}").config), "Bearer t");
  EXPECT_EQ(Authorization(ReadText("authorization: {type: GenieKey, credentials: k}").config),
            "GenieKey k");
  EXPECT_EQ(Authorization(ReadText("bearer_token: t").config), "Bearer t");
}

TEST(HttpConfigTest, FilesAreReadAtEveryUseAndFoundBesideTheConfiguration) {
  TempDir dir;
  const Read read = ReadText("authorization: {credentials_file: token}", dir.path());
  EXPECT_EQ(read.complaints, "");
  HttpRequest request;
  HttpOptions options;
  const Status missing = read.config.Apply(request, options);
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("reading authorization.credentials_file"));
  EXPECT_THAT(missing.error().message, HasSubstr("token"));
  dir.Write("token", "rotated\n");
  EXPECT_EQ(Authorization(read.config), "Bearer rotated");
}

TEST(HttpConfigTest, ReadsTheWayAndTheHeaders) {
  const Read read = ReadText(R"(
tls_config: {ca_file: ca.pem, cert_file: /c.pem, key_file: k.pem, server_name: s, insecure_skip_verify: true, min_version: TLS12}
proxy_url: http://proxy:3128
no_proxy: localhost
follow_redirects: false
enable_http2: false
http_headers: {X-Scope: {values: [a, b]}, X-Key: {secrets: [s]}}
)");
  EXPECT_EQ(read.complaints, "");
  HttpRequest request;
  HttpOptions options;
  ASSERT_TRUE(read.config.Apply(request, options));
  EXPECT_EQ(options.tls.ca_file, "/etc/am/ca.pem");
  EXPECT_EQ(options.tls.cert_file, "/c.pem");
  EXPECT_EQ(options.tls.key_file, "/etc/am/k.pem");
  EXPECT_TRUE(options.tls.insecure_skip_verify);
  EXPECT_EQ(options.proxy_url, "http://proxy:3128");
  EXPECT_EQ(options.no_proxy, "localhost");
  EXPECT_FALSE(options.follow_redirects);
  EXPECT_EQ(request.headers.Get("X-Key"), "s");
  EXPECT_EQ(std::count_if(request.headers.begin(), request.headers.end(),
                          [](const auto& pair) { return pair.first == "X-Scope"; }),
            2);
}

TEST(HttpConfigTest, ReadsTheEnvironmentsProxyOnlyWhenTold) {
  ::setenv("HTTPS_PROXY", "http://secure:1", 1);
  ::setenv("http_proxy", "http://plain:2", 1);
  ::setenv("NO_PROXY", "localhost", 1);
  const auto proxy = [](const std::string& text, const std::string& url) {
    HttpRequest request;
    request.url = url;
    HttpOptions options;
    EXPECT_TRUE(ReadText(text).config.Apply(request, options));
    return options.proxy_url + " " + options.no_proxy;
  };
  EXPECT_EQ(proxy("proxy_from_environment: true", "https://a/"), "http://secure:1 localhost");
  EXPECT_EQ(proxy("proxy_from_environment: true", "http://a/"), "http://plain:2 localhost");
  EXPECT_EQ(proxy("{}", "http://a/"), " ");
  for (const char* name : {"HTTPS_PROXY", "http_proxy", "NO_PROXY"}) ::unsetenv(name);
}

TEST(HttpConfigTest, StandsAmongOtherKeys) {
  yaml::Complaints complaints;
  const auto node =
      yaml::Load("{job_name: a, bearer_token: t, tls_config: {ca: PEM, min_version: TLS13}}",
                 "f.yml", complaints);
  HttpConfig config;
  {
    yaml::Mapping m(*node, "scrape_configs", complaints);
    EXPECT_EQ(m.Require<std::string>("job_name"), "a");
    config = ReadHttpConfig(m, "");
  }
  EXPECT_EQ(complaints.ToString(), "");
  EXPECT_EQ(Authorization(config), "Bearer t");
  EXPECT_EQ(config.tls.ca, "PEM");
  EXPECT_EQ(config.tls.min_version, "TLS13");
}

TEST(HttpConfigTest, ComplainsWithPlaceAndReason) {
  struct Case {
    std::string text;
    std::string complaint;
  };
  const Case cases[] = {
      {"basic_auth: {username: u, password: p, password_file: f}",
       "f.yml:1:55: http_config.basic_auth: at most one of password & password_file must be "
       "configured"},
      {"{basic_auth: {username: u}, bearer_token: t}",
       "f.yml:1:1: http_config: at most one of basic_auth, authorization & bearer_token must be "
       "configured"},
      {"authorization: {type: Basic, credentials: x}",
       "f.yml:1:16: http_config.authorization: authorization type cannot be set to \"basic\", use "
       "\"basic_auth\" instead"},
      {"tls_config: {cert_file: c}",
       "f.yml:1:13: tls_config: exactly one of cert and key is configured, both are needed"},
      {"tls_config: {ca: x, ca_file: y}",
       "f.yml:1:13: tls_config: at most one of ca and ca_file must be configured"},
      {"tls_config: {min_version: TLS13, max_version: TLS12}",
       "f.yml:1:13: tls_config: min_version is newer than max_version"},
      {"tls_config: {min_version: 1.3}",
       "f.yml:1:27: tls_config: min_version must be TLS10, TLS11, TLS12 or TLS13, not \"1.3\""},
      {"oauth2: {client_id: x}", "f.yml:1:9: http_config: oauth2 is not supported by this version"},
      {"{proxy_from_environment: true, proxy_url: 'http://p'}",
       "f.yml:1:26: http_config: if proxy_from_environment is configured, proxy_url must not be"},
      {"{proxy_from_environment: true, no_proxy: x}",
       "f.yml:1:26: http_config: if proxy_from_environment is configured, no_proxy must not be"},
      {"no_proxy: x", "f.yml:1:11: http_config: if no_proxy is configured, proxy_url must be, too"},
      {"http_headers: {Authorization: {values: [x]}}",
       "f.yml:1:16: http_config: setting header \"Authorization\" is not allowed"},
      {"follow_redirect: false",
       "f.yml:1:1: http_config: unknown key \"follow_redirect\", did you mean "
       "\"follow_redirects\"?"},
  };
  for (const Case& c : cases) EXPECT_EQ(ReadText(c.text).complaints, c.complaint) << c.text;
}

}  // namespace
}  // namespace fettle
