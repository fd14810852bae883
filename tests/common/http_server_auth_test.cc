// Credentials at the server's doors: what is refused before a body is read, what with it, and how
// it is counted. What each credential means is in auth_test.cc.
#include <gmock/gmock.h>

#include "common/auth.h"
#include "common/digest.h"
#include "common/http_client.h"
#include "tests/support/raw_client.h"
#include "tests/support/requests.h"
#include "tests/support/test_server.h"

namespace fettle {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpServerAuthTest : public ::testing::Test {
 protected:
  HttpServerAuthTest() {
    server.web_config.users["admin"].bcrypt_hash =
        "$2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC";  // right
    server.web_config.tokens.push_back({"scraper", Secret::FromText("t0ken"), Role::kRead});
    server.web_config.hmac = WebConfig::Hmac{};
    server.web_config.hmac->secrets = {Secret::FromText("key")};
    const auto who = [](const HttpRequest& request) {
      return TextResponse(200, fmt::format("{} {} {}", request.identity.name,
                                           ToString(request.identity.role), request.body));
    };
    server.Route("GET", "/-/healthy", who, Role::kPublic);
    server.Route("GET", "/metrics", who, Role::kRead);
    server.Route("POST", "/-/reload", who, Role::kOperator);
    server.Route(
        "POST", "/webhook",
        [this](const HttpRequest& request) {
          return TextResponse(webhook_status, request.identity.name);
        },
        Role::kWebhook);
    server.Start();
  }
  std::string Ask(HttpRequest request) {
    const auto response = client.Send(request, {});
    if (!response) return response.error().message;
    last = *response;
    return fmt::format("{} {}", response->status, response->body);
  }
  HttpRequest Signed(const std::string& body) {
    HttpRequest request = Post(server.url() + "/webhook", body);
    const std::string stamp = std::to_string(ToMillis(server.clock.Now().wall) / 1000);
    request.headers.Set("X-Fettle-Timestamp", stamp);
    request.headers.Set("X-Fettle-Signature", Hex(HmacSha256("key", stamp + "." + body)));
    return request;
  }
  double Refused(const std::string& reason) {
    return server.Metric("fettle_http_refused_total", {{"reason", reason}});
  }

  int webhook_status = 200;
  TestServer server;
  HttpClient client;
  HttpResponse last;
};

TEST_F(HttpServerAuthTest, TellsTheHandlerWhoAsks) {
  HttpRequest request = Get(server.url() + "/metrics");
  request.headers.Set("Authorization", "Bearer t0ken");
  EXPECT_EQ(Ask(request), "200 scraper read ");
  request.headers.Set("Authorization", "Basic " + Base64("admin:right"));
  EXPECT_EQ(Ask(request), "200 admin operator ");
  EXPECT_EQ(Ask(Get(server.url() + "/-/healthy")), "200  public ");
}

TEST_F(HttpServerAuthTest, RefusesWithoutWithWrongAndWithWeakCredentials) {
  HttpRequest request = Get(server.url() + "/metrics");
  EXPECT_EQ(Ask(request), "401 credentials are missing or wrong\n");
  EXPECT_EQ(last.headers.Get("WWW-Authenticate"), "Basic realm=\"fettle\"");
  request.headers.Set("Authorization", "Bearer wrong");
  EXPECT_EQ(Ask(request), "401 credentials are missing or wrong\n");
  HttpRequest reload = Post(server.url() + "/-/reload", "");
  reload.headers.Set("Authorization", "Bearer t0ken");
  EXPECT_EQ(Ask(reload), "403 these credentials are not for this\n");
  EXPECT_EQ(Refused("credentials_missing"), 1);
  EXPECT_EQ(Refused("credentials_wrong"), 1);
  EXPECT_EQ(Refused("role"), 1);
  EXPECT_EQ(server.Metric("fettle_http_requests_total", {{"code", "401"}, {"handler", "/metrics"}}),
            2);
}

TEST_F(HttpServerAuthTest, ReadsNoBodyOfStrangers) {
  RawClient raw(server.address());
  raw.Send("POST /-/reload HTTP/1.1\r\nContent-Length: 5000000\r\n\r\nabc");
  EXPECT_THAT(raw.ReadAnswer(),
              AllOf(StartsWith("HTTP/1.1 401 "), HasSubstr("Connection: close\r\n")));
}

TEST_F(HttpServerAuthTest, LimitsLoginsByAddress) {
  HttpRequest request = Get(server.url() + "/metrics");
  request.headers.Set("Authorization", "Bearer guess");
  for (int i = 0; i < Authenticator::kFailuresMax; ++i) Ask(request);
  EXPECT_EQ(Ask(request), "429 too many failed logins from this address\n");
  EXPECT_EQ(Refused("login_rate"), 1);
}

TEST_F(HttpServerAuthTest, TakesSignedWebhooksOnce) {
  const HttpRequest request = Signed("{\"alerts\":[]}");
  EXPECT_EQ(Ask(request), "200 hmac");
  EXPECT_EQ(Ask(request), "401 credentials are missing or wrong\n");
  EXPECT_EQ(Refused("signature_replayed"), 1);
  HttpRequest changed = Signed("{\"alerts\":[]}");
  changed.body = "{\"alerts\":[{}]}";
  EXPECT_EQ(Ask(changed), "401 credentials are missing or wrong\n");
  EXPECT_EQ(Refused("signature_wrong"), 1);
}

TEST_F(HttpServerAuthTest, TakesASignedWebhookAgainAfterItFailed) {
  webhook_status = 503;
  const HttpRequest request = Signed("{\"alerts\":[]}");
  EXPECT_EQ(Ask(request), "503 hmac");
  webhook_status = 200;
  EXPECT_EQ(Ask(request), "200 hmac");
}

TEST_F(HttpServerAuthTest, HidesNoUnknownPath) {
  EXPECT_EQ(Ask(Get(server.url() + "/nope")), "404 404 page not found\n");
}

}  // namespace
}  // namespace fettle
