// What the running program says to what it should not accept: bodies, credentials, flags,
// configurations and old TLS. Goal: every mistake is refused with a word that helps and a counter
// that shows it, and the program goes on.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "common/digest.h"
#include "tests/support/program.h"

namespace fettle {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kOpenConfig = "exporter: {interval: 1s, host: {}}\n";
constexpr const char* kAlert =
    R"({"version":"4","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"A"},)"
    R"("annotations":{},"startsAt":"2026-01-01T00:00:00Z","endsAt":"0001-01-01T00:00:00Z"}]})";

std::string Count(const std::string& result) {
  return "fettle_webhook_requests_total{result=\"" + result + "\"}";
}
std::string Refused(const std::string& reason) {
  return "fettle_http_refused_total{reason=\"" + reason + "\"}";
}

TEST(BadInputRealTest, BadBodiesAreRefusedAndCounted) {
  Program program({.config = kOpenConfig});
  program.Start();
  EXPECT_EQ(program.Post("/webhook", "{\"version\": \"4\", \"alerts\": [").status, 400);
  EXPECT_EQ(program.Metric(Count("broken_json")), 1);
  EXPECT_EQ(program.Post("/webhook", R"({"version":"3","status":"firing","alerts":[]})").status,
            422);
  EXPECT_EQ(program.Metric(Count("unsupported_version")), 1);
  const std::string nest = std::string(10'000, '[') + std::string(10'000, ']');
  EXPECT_EQ(program.Post("/webhook", nest).status, 400);
  EXPECT_EQ(program.Metric(Count("broken_json")), 2);
  EXPECT_EQ(program.Post("/webhook", R"({"version":"4","alerts":)" + nest + "}").status, 400);
  EXPECT_EQ(program.Metric(Count("broken_json")), 3);
  EXPECT_EQ(program.Post("/webhook", R"({"version":"4","alerts":[{"status":"so so"}]})").status,
            422);
  EXPECT_EQ(program.Metric(Count("invalid")), 1);
  EXPECT_EQ(program.Post("/webhook", std::string(9U << 20U, ' ')).status, 413);
  EXPECT_EQ(program.Metric(Refused("body_bytes")), 1);
  EXPECT_EQ(program.Metric(Count("stored")), 0);
  EXPECT_EQ(program.Post("/webhook", kAlert).status, 200) << "it goes on";
  EXPECT_EQ(program.Metric(Count("stored")), 1);
}

TEST(BadInputRealTest, UnknownPathsAndWrongMethodsAreRefusedAndCounted) {
  Program program({.config = kOpenConfig});
  program.Start();
  EXPECT_EQ(program.Get("/nothing/here").status, 404);
  EXPECT_EQ(program.Metric(Refused("no_route")), 1);
  const HttpResponse wrong = program.Get("/webhook");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.Get("Allow"), "POST");
  EXPECT_EQ(program.Post("/metrics", "").status, 405);
  EXPECT_EQ(program.Metric(Refused("method")), 2);
  EXPECT_EQ(program.Get("/api/v1/query?query=sum(").status, 400);
}

TEST(BadInputRealTest, ReloadAndQuitNeedTheirFlag) {
  Program closed({.config = kOpenConfig});
  closed.Start();
  EXPECT_EQ(closed.Post("/-/reload", "").status, 403);
  EXPECT_EQ(closed.Post("/-/quit", "").status, 403);
  EXPECT_TRUE(closed.Running());
  Program open({.config = kOpenConfig, .arguments = {"--web.enable-lifecycle"}});
  open.Start();
  EXPECT_EQ(open.Post("/-/reload", "").status, 200);
  open.dir().Write("fettle.yml", "exporter: {intervall: 1s}\n");
  const HttpResponse refused = open.Post("/-/reload", "");
  EXPECT_EQ(refused.status, 500);
  EXPECT_THAT(refused.body, HasSubstr("did you mean \"interval\"?"));
  EXPECT_EQ(open.Metric("fettle_config_last_reload_successful"), 0);
  EXPECT_EQ(open.Get("/-/ready").status, 200) << "the old one stays";
}

// fettle behind a web configuration with one credential of each kind.
class CredentialsRealTest : public testing::Test {
 protected:
  CredentialsRealTest() : program_({.config = kOpenConfig, .arguments = {WebConfigFlag()}}) {}
  void SetUp() override { program_.Start(); }

  std::string WebConfigFlag() {
    // The password is "right"; bcrypt at its cheapest.
    return "--web.config.file=" + room_.Write("web.yml", R"(
basic_auth_users:
  admin: $2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC
  grafana: $2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC
user_roles: {grafana: read}
tokens:
- {name: scraper, token: r-token, role: read}
- {name: alertmanager, token: w-token, role: webhook}
- {name: operator, token: o-token, role: operator}
hmac: {secret: the key}
)");
  }
  int Ask(const std::string& method, const std::string& path, const std::string& authorization) {
    HttpRequest request{.method = method, .url = path};
    if (method == "POST") request.body = kAlert;
    if (!authorization.empty()) request.headers.Set("Authorization", authorization);
    return program_.Send(request).status;
  }
  int AskSigned(const std::string& key, std::chrono::seconds age) {
    HttpRequest request{.method = "POST", .url = "/webhook", .body = kAlert};
    const auto now = std::chrono::system_clock::now().time_since_epoch() - age;
    const std::string stamp =
        std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count());
    request.headers.Set("X-Fettle-Timestamp", stamp);
    request.headers.Set("X-Fettle-Signature",
                        "sha256=" + Hex(HmacSha256(key, stamp + "." + request.body)));
    return program_.Send(request).status;
  }

  TempDir room_;
  Program program_;
};

TEST_F(CredentialsRealTest, NobodyAndWrongOnesAre401) {
  for (const std::string& wrong :
       {std::string(), "Basic " + Base64("admin:wrong"), "Basic " + Base64("nobody:right"),
        std::string("Basic !"), std::string("Bearer x"), std::string("Digest r-token")}) {
    EXPECT_EQ(Ask("GET", "/metrics", wrong), 401) << wrong;
    EXPECT_EQ(Ask("POST", "/webhook", wrong), 401) << wrong;
  }
  EXPECT_EQ(Ask("GET", "/-/healthy", ""), 200) << "what a load balancer asks";
  EXPECT_EQ(AskSigned("another key", {}), 401);
  EXPECT_EQ(AskSigned("the key", std::chrono::hours(1)), 401);
}

TEST_F(CredentialsRealTest, EachMayWhatItsRoleSays) {
  struct Case {
    std::string who;
    int metrics, webhook, run;  // GET /metrics, POST /webhook, POST …/backups/none/run
  };
  for (const Case& one :
       {Case{"Basic " + Base64("admin:right"), 200, 200, 404},
        Case{"Basic " + Base64("grafana:right"), 200, 403, 403},
        Case{"Bearer r-token", 200, 403, 403}, Case{"Bearer w-token", 403, 200, 403},
        Case{"Bearer o-token", 200, 200, 404}}) {
    EXPECT_EQ(Ask("GET", "/metrics", one.who), one.metrics) << one.who;
    EXPECT_EQ(Ask("POST", "/webhook", one.who), one.webhook) << one.who;
    EXPECT_EQ(Ask("POST", "/api/fettle/v1/backups/none/run", one.who), one.run) << one.who;
  }
  EXPECT_EQ(AskSigned("the key", {}), 200);
}

TEST(BadInputRealTest, AnUnknownFlagIsRefusedWithASuggestion) {
  const Ran ran = RunFettle({"--web.listen-adress=127.0.0.1:0"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_THAT(ran.output, HasSubstr("did you mean \"--web.listen-address\"?"));
  EXPECT_EQ(RunFettle({"serve"}).exit_code, 2) << "no configuration";
  EXPECT_EQ(RunFettle({"--log.level=loud", "--config.file=x"}).exit_code, 2);
}

TEST(BadInputRealTest, EveryMistakeOfAConfigurationIsNamedWithItsPlace) {
  const TempDir dir;
  const std::string file = dir.Write("fettle.yml", R"(connections:
  docker: {local: {endpoint: "ftp://engine"}}
exporter:
  intervall: 15s
  docker: {connection: lokal}
  health:
  - {name: web, http: {url: "http://127.0.0.1"}, timeout: soon}
rules: {rule_files: [builtin]}
receivers:
  guards: {mode: automatic}
  targets: [{name: web, docker: {connection: local, project: shop, service: web}}]
  repairs:
  - name: heal
    matchers: ['alertname=~"("']
    target: wep
    actions: [{restart: {}}, {restrat: {}}]
exporter: {}
)");
  const Ran ran = RunFettle({"serve", "--config.file=" + file, "--storage.path=" + (dir / "data")});
  EXPECT_EQ(ran.exit_code, 1);
  for (const char* place :
       {":2:", ":4:3:", ":5:", ":7:", ":10:", ":14:", ":15:", ":16:", ":17:1:"}) {
    EXPECT_THAT(ran.output, HasSubstr(file + place));
  }
  EXPECT_THAT(ran.output, HasSubstr("did you mean \"interval\"?"));
  EXPECT_THAT(ran.output, HasSubstr("did you mean \"restart\"?"));
  const Ran checked = RunFettle({"check", "config", file});
  EXPECT_EQ(checked.exit_code, 1);
  EXPECT_THAT(checked.output, HasSubstr(file + ":16:"));
}

TEST(BadInputRealTest, AutoOnAnOpenListenerWithoutAuthenticationIsRefused) {
  const TempDir dir;
  const std::string file = dir.Write("fettle.yml", R"(
connections: {docker: {local: {endpoint: "unix:///nowhere.sock"}}}
receivers:
  guards: {mode: auto}
  targets: [{name: web, docker: {connection: local, project: shop, service: web}}]
  repairs:
  - {name: heal-web, matchers: ['a="b"'], target: web, mode: auto, actions: [{restart: {}}]}
)");
  const Ran ran = RunFettle({"--config.file=" + file, "--storage.path=" + (dir / "data"),
                             "--web.listen-address=0.0.0.0:0"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.output, AllOf(HasSubstr("heal-web"), HasSubstr("--web.config.file")));
}

TEST(BadInputRealTest, Tls13IsServedAnd11Refused) {
  const TempDir dir;
  const std::string certificate = dir / "server.crt";
  const std::string key = dir / "server.key";
  ASSERT_EQ(Child::Run({.argv = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                 "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj",
                                 "/CN=localhost", "-keyout", key, "-out", certificate},
                        .log_file = dir / "openssl"}),
            0)
      << dir.Read("openssl");
  const std::string web =
      dir.Write("web.yml", "tls_server_config: {cert_file: server.crt, key_file: server.key}\n");
  Program program({.config = kOpenConfig, .arguments = {"--web.config.file=" + web}, .tls = true});
  program.Start();
  const auto ask = [&](const std::string& version) {
    const int code = Child::Run(
        {.argv =
             {"sh", "-c",
              "printf 'GET /-/healthy HTTP/1.0\\r\\n\\r\\n' | openssl s_client -ign_eof -cipher "
              "ALL:@SECLEVEL=0 " +
                  version + " -connect 127.0.0.1:" + std::to_string(program.port())},
         .log_file = dir / ("answer" + version)});
    return fmt::format("{} {}", code, dir.Read("answer" + version));
  };
  EXPECT_THAT(ask("-tls1_3"), AllOf(HasSubstr("TLSv1.3"), HasSubstr("fettle is healthy")));
  EXPECT_THAT(ask("-tls1_2"), HasSubstr("fettle is healthy"));
  EXPECT_THAT(ask("-tls1_1"),
              AllOf(HasSubstr("protocol version"), Not(HasSubstr("fettle is healthy"))));
  EXPECT_EQ(program.Get("/-/healthy").status, 200) << "refusing hurts nobody";
}

}  // namespace
}  // namespace fettle
