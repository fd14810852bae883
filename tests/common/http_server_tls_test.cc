// TLS at both ends: the server through civetweb and the shim, the client through libcurl, and, for
// what neither would do by itself, OpenSSL's own client.
#include "common/http_server_tls.h"

#include <gmock/gmock.h>
#include <openssl/ssl.h>

#include <atomic>
#include <thread>

#include "common/dial.h"
#include "common/http_client.h"
#include "tests/support/certificates.h"
#include "tests/support/raw_client.h"
#include "tests/support/requests.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_server.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpServerTlsTest : public ::testing::Test {
 protected:
  HttpServerTlsTest() {
    ca_file = room.Write("ca.crt", authority.certificate());
    server.web_config.tls = WebConfig::Tls{};
    Use(authority.Issue("server", {"DNS:localhost", "DNS:fettle.example.org", "IP:127.0.0.1"}));
    server.Route("GET", "/hello", [](const HttpRequest& request) {
      return TextResponse(200, fmt::format("hello {}\n", request.remote_address));
    });
    server.Route("POST", "/echo",
                 [](const HttpRequest& request) { return TextResponse(200, request.body); });
    options.tls.ca_file = ca_file;
    options.timeout = Millis(5'000);
  }
  void Use(const CertifiedKey& pair) {
    server.web_config.tls->cert_file = room.Write("server.crt", pair.certificate);
    server.web_config.tls->key_file = room.Write("server.key", pair.key);
  }
  void UseClient(const CertifiedKey& pair) {
    options.tls.cert_file = room.Write("client.crt", pair.certificate);
    options.tls.key_file = room.Write("client.key", pair.key);
  }
  // The answer's body, or the error's message; by a new client, which resumes no session.
  std::string Ask(const std::string& url) {
    const auto response = HttpClient().Send(Get(url), options);
    return response ? response->body : response.error().message;
  }
  std::string AskHello() { return Ask(server.url() + "/hello"); }
  // What OpenSSL's own client agrees on when it offers nothing newer than this: "TLSv1.3", or
  // "refused".
  std::string Handshake(int newest, const char* ciphers = nullptr);

  static constexpr const char* kHello = "hello 127.0.0.1\n";
  TempDir room;
  TestAuthority authority;
  std::string ca_file;
  TestServer server;
  HttpOptions options;
  HttpClient client;
};

std::string HttpServerTlsTest::Handshake(int newest, const char* ciphers) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, newest);
  SSL_CTX_set_security_level(context, 0);  // or OpenSSL would not even offer 1.1
  SSL_CTX_set_cipher_list(context, ciphers == nullptr ? "ALL:@SECLEVEL=0" : ciphers);
  SSL* connection = SSL_new(context);
  const auto fd = Dial(server.address(), Millis(5'000));
  std::string agreed = "refused";
  if (fd) {
    SSL_set_fd(connection, fd->get());
    int result = 0;
    WaitUntil([&] {
      result = SSL_connect(connection);
      const int error = SSL_get_error(connection, result);
      return result == 1 || (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE);
    });
    if (result == 1) agreed = SSL_get_version(connection);
  }
  SSL_free(connection);
  SSL_CTX_free(context);
  return agreed;
}

TEST(TlsShimTest, IsWhatCivetwebWillFind) {
  const Status shim = CheckTlsShim();
  EXPECT_TRUE(shim) << shim.error().message;
}

TEST_F(HttpServerTlsTest, ServesOverTls) {
  server.Start();
  EXPECT_THAT(server.url(), StartsWith("https://127.0.0.1:"));
  EXPECT_EQ(AskHello(), kHello);
  const std::string large(3'000'000, 'x');
  const auto echo = client.Send(Post(server.url() + "/echo", large), options);
  ASSERT_TRUE(echo) << echo.error().message;
  EXPECT_EQ(echo->body, large);
}

TEST_F(HttpServerTlsTest, SpeaksThirteenAndTwelveAndNothingOlder) {
  server.Start();
  EXPECT_EQ(Handshake(TLS1_3_VERSION), "TLSv1.3");
  EXPECT_EQ(Handshake(TLS1_2_VERSION), "TLSv1.2");
  EXPECT_EQ(Handshake(TLS1_1_VERSION), "refused");
  EXPECT_EQ(Handshake(TLS1_VERSION), "refused");
  EXPECT_EQ(AskHello(), kHello) << "refusing hurts nobody";
}

TEST_F(HttpServerTlsTest, KeepsToTheVersionsConfigured) {
  server.web_config.tls->min_version = "TLS13";
  server.Start();
  EXPECT_EQ(Handshake(TLS1_3_VERSION), "TLSv1.3");
  EXPECT_EQ(Handshake(TLS1_2_VERSION), "refused");
}

TEST_F(HttpServerTlsTest, KeepsToTheCiphersConfigured) {
  server.web_config.tls->max_version = "TLS12";
  server.web_config.tls->cipher_suites = {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"};
  server.web_config.tls->curve_preferences = {"CurveP256"};
  server.Start();
  EXPECT_EQ(Handshake(TLS1_3_VERSION), "TLSv1.2");
  EXPECT_EQ(Handshake(TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384"), "TLSv1.2");
  EXPECT_EQ(Handshake(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"), "refused");
}

TEST_F(HttpServerTlsTest, DemandsAClientCertificateOfItsAuthority) {
  server.web_config.tls->client_auth_type = "RequireAndVerifyClientCert";
  server.web_config.tls->client_ca_file = ca_file;
  server.Start();
  EXPECT_NE(AskHello(), kHello);
  UseClient(authority.Issue("client", {}));
  EXPECT_EQ(AskHello(), kHello);
  TestAuthority stranger("strangers");
  UseClient(stranger.Issue("client", {}));
  EXPECT_NE(AskHello(), kHello);
  UseClient(authority.Issue("client", {}, -1));
  EXPECT_NE(AskHello(), kHello) << "expired";
}

TEST_F(HttpServerTlsTest, KnowsTheOtherWaysToAskForACertificate) {
  struct Case {
    std::string mode;
    bool none;
    bool strangers;
    bool ours;
  };
  TestAuthority stranger("strangers");
  for (const Case& c : std::vector<Case>{{"NoClientCert", true, true, true},
                                         {"RequestClientCert", true, true, true},
                                         {"RequireAnyClientCert", false, true, true},
                                         {"VerifyClientCertIfGiven", true, false, true}}) {
    server.Stop();
    server.web_config.tls->client_auth_type = c.mode;
    server.web_config.tls->client_ca_file = c.mode == "NoClientCert" ? "" : ca_file;
    server.Start();
    options.tls.cert_file.clear();
    options.tls.key_file.clear();
    EXPECT_EQ(Ask(server.url() + "/nope") == "404 page not found\n", c.none) << c.mode;
    UseClient(stranger.Issue("client", {}));
    EXPECT_EQ(Ask(server.url() + "/nope") == "404 page not found\n", c.strangers) << c.mode;
    UseClient(authority.Issue("client", {}));
    EXPECT_EQ(Ask(server.url() + "/nope") == "404 page not found\n", c.ours) << c.mode;
  }
}

TEST_F(HttpServerTlsTest, LetsInOnlyTheNamesAllowed) {
  server.web_config.tls->client_auth_type = "RequireAndVerifyClientCert";
  server.web_config.tls->client_ca_file = ca_file;
  server.web_config.tls->client_allowed_sans = {"prometheus.example.org", "10.1.2.3"};
  server.Start();
  UseClient(authority.Issue("prometheus.example.org", {"DNS:other.example.org"}));
  EXPECT_NE(AskHello(), kHello) << "the common name does not count";
  UseClient(authority.Issue("a", {"DNS:x", "DNS:prometheus.example.org"}));
  EXPECT_EQ(AskHello(), kHello);
  UseClient(authority.Issue("b", {"IP:10.1.2.3"}));
  EXPECT_EQ(AskHello(), kHello);
}

TEST_F(HttpServerTlsTest, ServesARenewedCertificateWithoutAReload) {
  server.Start();
  EXPECT_EQ(AskHello(), kHello);
  TestAuthority next("next year's");
  const CertifiedKey renewed = next.Issue("server", {"IP:127.0.0.1"});
  room.Write("server.crt", renewed.certificate);
  EXPECT_EQ(AskHello(), kHello) << "half a renewal changes nothing";
  room.Write("server.key", renewed.key);
  EXPECT_NE(AskHello(), kHello);
  options.tls.ca_file = room.Write("next.crt", next.certificate());
  EXPECT_EQ(AskHello(), kHello);
}

TEST_F(HttpServerTlsTest, SurvivesClientsThatSpeakNoTls) {
  server.options.header_deadline = Millis(200);
  server.Start();
  for (const char* bytes : {"GET /hello HTTP/1.1\r\n\r\n", "\x16\x03\x01", "", "\0\0\0\0"}) {
    RawClient raw(server.address());
    raw.Send(bytes);
    EXPECT_TRUE(raw.WaitForClose()) << bytes;
  }
  EXPECT_EQ(AskHello(), kHello);
  EXPECT_TRUE(WaitUntil([&] { return server.Metric("fettle_http_connections", {}) <= 1; }));
}

TEST_F(HttpServerTlsTest, CountsHandshakesTowardsTheLimitOfAnAddress) {
  server.options.connections_per_address_max = 3;
  server.options.header_deadline = Millis(20'000);
  server.Start();
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 3; ++i) silent.push_back(std::make_unique<RawClient>(server.address()));
  EXPECT_TRUE(WaitUntil([&] { return server.Metric("fettle_http_connections", {}) == 3; }));
  RawClient refused(server.address());
  EXPECT_TRUE(refused.WaitForClose());
  EXPECT_EQ(server.Metric("fettle_http_refused_total", {{"reason", "address_connections"}}), 1);
}

TEST_F(HttpServerTlsTest, BoundsTheHeadAndTheTimeOverTls) {
  server.options.body_deadline = Millis(150);
  server.Start();
  HttpRequest large = Get(server.url() + "/hello");
  large.headers.Set("X", std::string(17'000, 'x'));
  EXPECT_EQ(client.Send(large, options)->status, 431);
  large.headers.Set("X", std::string(15'000, 'x'));
  EXPECT_EQ(client.Send(large, options)->status, 200);
}

TEST_F(HttpServerTlsTest, ServesManyHandshakesAtOnce) {
  server.options.connections_per_address_max = 64;
  server.Start();
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      HttpClient own;
      HttpOptions fresh = options;
      fresh.fresh_connection = true;
      for (int i = 0; i < 10; ++i) {
        const auto response = own.Send(Get(server.url() + "/hello"), fresh);
        if (response && response->body == kHello) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 40);
}

TEST_F(HttpServerTlsTest, SaysWhatIsWrongWithItsFiles) {
  const auto start = [&] { return server.TryStart().error().message; };
  const CertifiedKey other = authority.Issue("other", {});
  room.Write("server.key", other.key);
  EXPECT_THAT(start(), AllOf(StartsWith("listen on 127.0.0.1:0: set up TLS: "),
                             HasSubstr("key_file " + room / "server.key")));
  room.Write("server.key", "no key\n");
  EXPECT_THAT(start(), HasSubstr("read key_file " + room / "server.key"));
  server.web_config.tls->cert_file = room / "missing.crt";
  EXPECT_THAT(start(), AllOf(HasSubstr("read cert_file " + room / "missing.crt"),
                             HasSubstr("No such file")));
  Use(other);
  server.web_config.tls->cipher_suites = {"TLS_FAST_AND_LOOSE"};
  EXPECT_THAT(start(), HasSubstr("cipher_suites: \"TLS_FAST_AND_LOOSE\" is no cipher suite"));
  server.web_config.tls->cipher_suites = {};
  server.web_config.tls->curve_preferences = {"Curve25520"};
  EXPECT_THAT(start(), HasSubstr("curve_preferences: \"Curve25520\" is no curve"));
}

TEST_F(HttpServerTlsTest, ClientTrustsOnlyWhomItShould) {
  server.Start();
  options.tls.ca_file = room.Write("other.crt", TestAuthority("others").certificate());
  EXPECT_THAT(AskHello(), HasSubstr("certificate"));
  const auto failed = client.Send(Get(server.url() + "/hello"), options);
  EXPECT_EQ(failed.error().cause, Cause::kFailed) << "waiting does not help";
  options.tls.insecure_skip_verify = true;
  EXPECT_EQ(AskHello(), kHello);
  options.tls = {};
  EXPECT_NE(AskHello(), kHello) << "the system's authorities do not know it";
  options.tls.ca_file = room / "missing.crt";
  EXPECT_THAT(AskHello(), HasSubstr("missing.crt"));
}

TEST_F(HttpServerTlsTest, ClientTakesPemTextsAndKeepsToItsVersions) {
  server.web_config.tls->client_auth_type = "RequireAndVerifyClientCert";
  server.web_config.tls->client_ca_file = ca_file;
  server.web_config.tls->max_version = "TLS12";
  server.Start();
  const CertifiedKey pair = authority.Issue("client", {});
  options.tls.ca_file.clear();
  options.tls.ca = authority.certificate();
  options.tls.cert = pair.certificate;
  options.tls.key = pair.key;
  EXPECT_EQ(AskHello(), kHello);
  options.tls.min_version = "TLS13";
  EXPECT_NE(AskHello(), kHello);
  options.tls.min_version = "TLS11";
  options.tls.max_version = "TLS11";
  EXPECT_NE(AskHello(), kHello);
}

TEST_F(HttpServerTlsTest, ClientVerifiesTheNameItIsTold) {
  Use(authority.Issue("server", {"DNS:fettle.example.org"}));
  std::string host;
  server.Route("GET", "/host", [&](const HttpRequest& request) {
    host = request.headers.Get("Host");
    return HttpResponse{};
  });
  server.Start();
  EXPECT_NE(AskHello(), kHello) << "127.0.0.1 is not in the certificate";
  options.tls.server_name = "fettle.example.org";
  EXPECT_EQ(AskHello(), kHello);
  Ask(server.url() + "/host");
  EXPECT_EQ(host, server.address()) << "only TLS is told another name";
  options.tls.server_name = "other.example.org";
  EXPECT_NE(AskHello(), kHello);
}

}  // namespace
}  // namespace fettle
