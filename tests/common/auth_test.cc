// Who may do what: every kind of credential, right, wrong, broken, old, repeated and too often.
#include "common/auth.h"

#include <gmock/gmock.h>

#include <thread>

#include "common/digest.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"
#include "tests/support/temp_dir.h"

namespace fettle {
namespace {

using Kind = Authenticator::Verdict::Kind;
using std::chrono::minutes;
using std::chrono::seconds;

// bcrypt of "right" at its cheapest cost, 4; the second as htpasswd and PHP write it.
constexpr const char* kRight = "$2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC";
constexpr const char* kRightAsPhp = "$2y$04$ABCDEFGHIJKLMNOPQRSTUuZcpd0VY6M.0poWxHBCQeCOenUc7fDJy";

class AuthTest : public ::testing::Test {
 protected:
  AuthTest() {
    config.users["admin"] = {kRight, Role::kOperator};
    config.users["grafana"] = {kRightAsPhp, Role::kRead};
    config.tokens.push_back({"scraper", Secret::FromText("scrape-token"), Role::kRead});
    config.tokens.push_back({"manager", Secret::FromText("alert-token"), Role::kWebhook});
    config.tokens.push_back({"deployer", Secret::FromFile(room / "token"), Role::kOperator});
    config.hmac = WebConfig::Hmac{};
    config.hmac->secrets = {Secret::FromText("new-key"), Secret::FromText("old-key")};
    room.Write("token", "deploy-token\n");
  }

  static HttpRequest Request(std::string authorization) {
    HttpRequest request;
    request.remote_address = "10.0.0.1";
    if (!authorization.empty()) request.headers.Set("Authorization", authorization);
    return request;
  }
  static HttpRequest Basic(const std::string& user, const std::string& password) {
    return Request("Basic " + Base64(user + ":" + password));
  }
  static HttpRequest Bearer(const std::string& token) { return Request("Bearer " + token); }
  HttpRequest Signed(const std::string& key, const std::string& body, Millis age = Millis(0)) {
    HttpRequest request = Request("");
    request.body = body;
    const std::string stamp = std::to_string(ToMillis(clock.Now().wall - age) / 1000);
    request.headers.Set("X-Fettle-Timestamp", stamp);
    request.headers.Set("X-Fettle-Signature", "sha256=" + Hex(HmacSha256(key, stamp + "." + body)));
    return request;
  }
  // "200 admin" or "401 credentials_wrong".
  std::string Ask(const HttpRequest& request, Role needed = Role::kRead) {
    Authenticator::Verdict verdict = auth->BeforeBody(request, needed);
    if (verdict.kind == Kind::kNeedsBody) verdict = auth->WithBody(request);
    last = verdict;
    if (verdict.kind == Kind::kAllowed) return "200 " + verdict.identity.name;
    EXPECT_EQ(verdict.kind, Kind::kRefused);
    EXPECT_EQ(auth->Refusal(verdict).status, verdict.status);
    return fmt::format("{} {}", verdict.status, verdict.reason);
  }

  TempDir room;
  WebConfig config;
  ManualClock clock;
  RecordedLog log;
  std::unique_ptr<Authenticator> auth =
      std::make_unique<Authenticator>(Authenticator::Deps{clock, log.For("auth")}, config);
  Authenticator::Verdict last;
};

TEST_F(AuthTest, LetsInByPassword) {
  EXPECT_EQ(Ask(Basic("admin", "right")), "200 admin");
  EXPECT_EQ(last.identity.role, Role::kOperator);
  EXPECT_TRUE(last.identity.authenticated);
  EXPECT_EQ(Ask(Basic("grafana", "right")), "200 grafana");
  EXPECT_EQ(Ask(Request("bAsIc   " + Base64("admin:right") + "  ")), "200 admin");
}

TEST_F(AuthTest, RefusesWrongAndBrokenPasswords) {
  for (const HttpRequest& request :
       {Basic("admin", "wrong"), Basic("admin", ""), Basic("nobody", "right"), Basic("", ""),
        Basic("admin", std::string("right\0x", 7)), Request("Basic " + Base64("no colon")),
        Request("Basic !!!!"), Request("Basic YQ"), Basic("Admin", "right")}) {
    EXPECT_EQ(Ask(request), "401 credentials_wrong") << request.headers.Get("Authorization");
    clock.Pass(minutes(10));
  }
  EXPECT_EQ(Ask(Request("")), "401 credentials_missing");
  EXPECT_EQ(Ask(Request("Digest username=\"admin\"")), "401 credentials_wrong");
  EXPECT_EQ(Ask(Request("Basic")), "401 credentials_wrong");
}

TEST_F(AuthTest, TellsColonsInPasswordsFromTheFirst) {
  EXPECT_EQ(Ask(Basic("admin:right", "")), "401 credentials_wrong");
  EXPECT_EQ(Ask(Request("Basic " + Base64("admin:right:"))), "401 credentials_wrong");
}

TEST_F(AuthTest, LetsInByTokenAndReadsItsFileAtEveryUse) {
  EXPECT_EQ(Ask(Bearer("scrape-token")), "200 scraper");
  EXPECT_EQ(Ask(Bearer("deploy-token")), "200 deployer");
  room.Write("token", "rotated\n");
  EXPECT_EQ(Ask(Bearer("deploy-token")), "401 credentials_wrong");
  EXPECT_EQ(Ask(Bearer("rotated")), "200 deployer");
}

TEST_F(AuthTest, LetsNobodyInByAnEmptyOrMissingToken) {
  room.Write("token", "\n");
  EXPECT_EQ(Ask(Bearer("")), "401 credentials_wrong");
  std::filesystem::remove(room / "token");
  EXPECT_EQ(Ask(Bearer("deploy-token")), "401 credentials_wrong");
  EXPECT_EQ(Ask(Bearer("deploy-token")), "401 credentials_wrong");
  EXPECT_EQ(log.Lines().size(), 1U) << "said once, not at every request";
  EXPECT_TRUE(log.Contains("deployer"));
  room.Write("token", "deploy-token");
  EXPECT_EQ(Ask(Bearer("deploy-token")), "200 deployer");
}

TEST_F(AuthTest, TellsWhoYouAreFromWhatYouMay) {
  struct Case {
    HttpRequest request;
    std::string read;
    std::string webhook;
    std::string operate;
  };
  for (const Case& c : std::vector<Case>{
           {Basic("admin", "right"), "200 admin", "200 admin", "200 admin"},
           {Basic("grafana", "right"), "200 grafana", "403 role", "403 role"},
           {Bearer("scrape-token"), "200 scraper", "403 role", "403 role"},
           {Bearer("alert-token"), "403 role", "200 manager", "403 role"},
           {Bearer("deploy-token"), "200 deployer", "200 deployer", "200 deployer"},
       }) {
    EXPECT_EQ(Ask(c.request, Role::kPublic), "200 ") << "nobody is asked";
    EXPECT_EQ(Ask(c.request, Role::kRead), c.read);
    EXPECT_EQ(Ask(c.request, Role::kWebhook), c.webhook);
    EXPECT_EQ(Ask(c.request, Role::kOperator), c.operate);
  }
}

TEST_F(AuthTest, OpensToEverybodyWithoutAuthentication) {
  config = WebConfig{};
  EXPECT_EQ(Ask(Request(""), Role::kOperator), "200 ");
  EXPECT_EQ(last.identity.role, Role::kOperator);
  EXPECT_FALSE(last.identity.authenticated);
  config.tls = WebConfig::Tls{};
  config.tls->client_auth_type = "RequireAndVerifyClientCert";
  EXPECT_EQ(Ask(Request(""), Role::kOperator), "200 ");
  EXPECT_TRUE(last.identity.authenticated) << "by the certificate";
}

TEST_F(AuthTest, LimitsFailedLoginsPerAddress) {
  for (int i = 0; i < Authenticator::kFailuresMax; ++i) {
    EXPECT_EQ(Ask(Basic("admin", "guess" + std::to_string(i))), "401 credentials_wrong");
  }
  EXPECT_EQ(Ask(Basic("admin", "another")), "429 login_rate");
  EXPECT_EQ(Ask(Basic("admin", "right")), "429 login_rate") << "not even looked at";
  EXPECT_EQ(Ask(Bearer("guess")), "429 login_rate");
  EXPECT_EQ(auth->Refusal(last).headers.Get("Retry-After"), "6");

  HttpRequest elsewhere = Basic("admin", "right");
  elsewhere.remote_address = "10.0.0.2";
  EXPECT_EQ(Ask(elsewhere), "200 admin");

  clock.Pass(Authenticator::kFailureEvery);
  EXPECT_EQ(Ask(Basic("admin", "again")), "401 credentials_wrong") << "one more each six seconds";
  EXPECT_EQ(Ask(Basic("admin", "again")), "429 login_rate");
  clock.Pass(minutes(5));
  EXPECT_EQ(Ask(Basic("admin", "right")), "200 admin");
}

TEST_F(AuthTest, SparesWhoWasRightBeforeAndSignedWebhooks) {
  EXPECT_EQ(Ask(Basic("grafana", "right")), "200 grafana");
  EXPECT_EQ(Ask(Bearer("scrape-token")), "200 scraper");
  for (int i = 0; i <= Authenticator::kFailuresMax; ++i) Ask(Basic("admin", "guess"));
  EXPECT_EQ(Ask(Basic("admin", "right")), "429 login_rate");
  EXPECT_EQ(Ask(Basic("grafana", "right")), "200 grafana");
  EXPECT_EQ(Ask(Bearer("scrape-token")), "200 scraper");
  EXPECT_EQ(Ask(Signed("new-key", "{}"), Role::kWebhook), "200 hmac");
}

TEST_F(AuthTest, CountsMissingCredentialsAsNoFailure) {
  for (int i = 0; i < 50; ++i) EXPECT_EQ(Ask(Request("")), "401 credentials_missing");
  EXPECT_EQ(Ask(Basic("admin", "right")), "200 admin");
}

TEST_F(AuthTest, BoundsTheAddressesItRemembers) {
  for (std::size_t i = 0; i < Authenticator::kAddressesMax + 5; ++i) {
    HttpRequest request = Bearer("guess");
    request.remote_address = fmt::format("10.{}.{}.{}", i / 65536, i / 256 % 256, i % 256);
    EXPECT_EQ(Ask(request), "401 credentials_wrong");
  }
  HttpRequest late = Bearer("guess");
  for (int i = 0; i < 5; ++i) {
    late.remote_address = fmt::format("11.0.0.{}", i);
    EXPECT_EQ(Ask(late), "401 credentials_wrong");
  }
  late.remote_address = "11.0.0.99";
  EXPECT_EQ(Ask(late), "429 login_rate") << "all further addresses share one allowance";
  clock.Pass(minutes(2));
  EXPECT_EQ(Ask(late), "401 credentials_wrong") << "those who stopped are forgotten";
}

TEST_F(AuthTest, TakesSignedWebhooksByAnyOfTheKeys) {
  EXPECT_EQ(Ask(Signed("new-key", "{\"a\":1}"), Role::kWebhook), "200 hmac");
  EXPECT_EQ(last.identity.role, Role::kWebhook);
  EXPECT_EQ(Ask(Signed("old-key", "{\"a\":2}"), Role::kWebhook), "200 hmac");
  HttpRequest bare = Signed("new-key", "{\"a\":3}");
  bare.headers.Set("X-Fettle-Signature",
                   std::string(bare.headers.Get("X-Fettle-Signature").substr(7)));
  EXPECT_EQ(Ask(bare, Role::kWebhook), "200 hmac") << "with or without sha256=";
}

TEST_F(AuthTest, RefusesSignaturesThatAreWrongBrokenOrOld_W15) {
  HttpRequest changed = Signed("new-key", "{}");
  changed.body = "{ }";
  EXPECT_EQ(Ask(changed, Role::kWebhook), "401 signature_wrong");
  HttpRequest later = Signed("new-key", "{}");
  later.headers.Set("X-Fettle-Timestamp", std::to_string(ToMillis(clock.Now().wall) / 1000 + 1));
  EXPECT_EQ(Ask(later, Role::kWebhook), "401 signature_wrong") << "the time is signed, too";
  EXPECT_EQ(Ask(Signed("other", "{}"), Role::kWebhook), "401 signature_wrong");
  EXPECT_EQ(Ask(Signed("new-key", "{}", seconds(301)), Role::kWebhook), "401 signature_old");
  EXPECT_EQ(Ask(Signed("new-key", "{}", seconds(-301)), Role::kWebhook), "401 signature_old");
  EXPECT_EQ(Ask(Signed("new-key", "{}", seconds(299)), Role::kWebhook), "200 hmac");
  for (const char* signature : {"", "sha256=", "sha256=00", "zz", "sha1=0000"}) {
    HttpRequest broken = Signed("new-key", "{}");
    broken.headers.Set("X-Fettle-Signature", signature);
    EXPECT_EQ(Ask(broken, Role::kWebhook), "401 signature_wrong") << signature;
  }
  for (const char* stamp : {"", "x", "1e9", "-1", "99999999999999999999", "1767225600 "}) {
    HttpRequest broken = Signed("new-key", "{}");
    broken.headers.Set("X-Fettle-Timestamp", stamp);
    EXPECT_EQ(Ask(broken, Role::kWebhook), "401 signature_wrong") << stamp;
  }
  EXPECT_EQ(Ask(Signed("new-key", "{}"), Role::kRead), "401 credentials_missing")
      << "a signature opens nothing but the webhook";
}

TEST_F(AuthTest, LetsNobodyInByAnEmptyKey) {
  config.hmac->secrets = {Secret::FromFile(room / "key")};
  EXPECT_EQ(Ask(Signed("", "{}"), Role::kWebhook), "401 signature_wrong");
  room.Write("key", "\n");
  EXPECT_EQ(Ask(Signed("", "{}"), Role::kWebhook), "401 signature_wrong");
  room.Write("key", "k\n");
  EXPECT_EQ(Ask(Signed("k", "{}"), Role::kWebhook), "200 hmac");
}

TEST_F(AuthTest, TakesASignatureOnce_W15) {
  const HttpRequest request = Signed("new-key", "{}");
  EXPECT_EQ(Ask(request, Role::kWebhook), "200 hmac");
  EXPECT_EQ(Ask(request, Role::kWebhook), "401 signature_replayed");
  clock.Pass(seconds(299));
  EXPECT_EQ(Ask(request, Role::kWebhook), "401 signature_replayed");
  clock.Pass(seconds(2));
  EXPECT_EQ(Ask(request, Role::kWebhook), "401 signature_old");
}

TEST_F(AuthTest, TakesASignatureAgainThatWeFailedToServe) {
  const HttpRequest request = Signed("new-key", "{}");
  EXPECT_EQ(Ask(request, Role::kWebhook), "200 hmac");
  auth->Finished(last, 503);
  EXPECT_EQ(Ask(request, Role::kWebhook), "200 hmac");
  auth->Finished(last, 400);
  EXPECT_EQ(Ask(request, Role::kWebhook), "401 signature_replayed");
}

TEST_F(AuthTest, BoundsTheSignaturesItRemembers) {
  for (std::size_t i = 0; i < Authenticator::kReplaysMax; ++i) {
    ASSERT_EQ(Ask(Signed("new-key", std::to_string(i)), Role::kWebhook), "200 hmac");
  }
  EXPECT_EQ(Ask(Signed("new-key", "one more"), Role::kWebhook), "503 signature_memory_full");
  clock.Pass(seconds(301));
  EXPECT_EQ(Ask(Signed("new-key", "one more"), Role::kWebhook), "200 hmac");
}

TEST_F(AuthTest, AsksForWhatItUnderstands) {
  Ask(Request(""));
  const HttpResponse both = auth->Refusal(last);
  EXPECT_EQ(both.headers.Get("WWW-Authenticate"), "Basic realm=\"fettle\"");
  config.users.clear();
  EXPECT_EQ(auth->Refusal(last).headers.Get("WWW-Authenticate"), "Bearer realm=\"fettle\"");
  EXPECT_EQ(Ask(Basic("admin", "right")), "401 credentials_wrong");
}

TEST_F(AuthTest, PaysForAPasswordOnce) {
  // At cost 12 one check takes a fifth of a second; a thousand remembered ones take no such time.
  config.users["slow"] = {"$2b$12$abcdefghijklmnopqrstuu3ZNTWactmkRXVB8K.1w4IlxX.O8lI12",
                          Role::kRead};
  EXPECT_EQ(Ask(Basic("slow", "right")), "200 slow");
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(Ask(Basic("slow", "right")), "200 slow");
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(5));
  config.users["slow"].bcrypt_hash = kRightAsPhp;
  EXPECT_EQ(Ask(Basic("slow", "wrong")), "401 credentials_wrong");
}

TEST_F(AuthTest, ServesManyThreads) {
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        HttpRequest request = t % 2 == 0 ? Basic("admin", "right") : Bearer("scrape-token");
        request.remote_address = fmt::format("10.1.{}.{}", t, i);
        if (auth->BeforeBody(request, Role::kRead).kind == Kind::kAllowed) ++good;
        request = Basic("admin", "wrong");
        request.remote_address = fmt::format("10.2.{}.{}", t, i);
        auth->BeforeBody(request, Role::kRead);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 400);
}

TEST(CoversTest, IncludesTheRolesBelowExceptWebhook) {
  const std::vector<Role> roles = {Role::kPublic, Role::kRead, Role::kWebhook, Role::kOperator};
  const std::vector<std::string> expected = {"x...", "xx..", "x.x.", "xxxx"};
  for (std::size_t have = 0; have < roles.size(); ++have) {
    std::string row;
    for (const Role needed : roles) row += Covers(roles[have], needed) ? 'x' : '.';
    EXPECT_EQ(row, expected[have]) << ToString(roles[have]);
  }
}

TEST(ParseAuthorizationTest, SplitsSchemeAndCredentials) {
  struct Case {
    std::string header;
    std::string scheme;
    std::string credentials;
  };
  for (const Case& c : std::vector<Case>{{"Basic abc", "basic", "abc"},
                                         {"BEARER  a b  ", "bearer", "a b"},
                                         {"Bearer", "", ""},
                                         {"Bearer   ", "", ""},
                                         {" x", "", "x"},
                                         {"", "", ""}}) {
    const Authorization parsed = ParseAuthorization(c.header);
    EXPECT_EQ(parsed.scheme, c.scheme) << c.header;
    EXPECT_EQ(parsed.credentials, c.credentials) << c.header;
  }
}

}  // namespace
}  // namespace fettle
