// The client on the two long ways: answers that stream for hours, and answers that lead elsewhere.
#include <gmock/gmock.h>

#include <cstdlib>

#include "common/http_client.h"
#include "tests/support/raw_server.h"
#include "tests/support/requests.h"

namespace fettle {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class HttpStreamTest : public ::testing::Test {
 protected:
  HttpClient client;
  HttpOptions options;
};
using HttpRedirectTest = HttpStreamTest;

TEST_F(HttpStreamTest, StreamsABodyOfAnyLength) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 20000000\r\n\r\n");
    const std::string block(1'000'000, 'x');
    for (int i = 0; i < 20; ++i) connection.Write(block);
  });
  std::size_t total = 0;
  int head_status = 0;
  options.body_bytes_max = 1;
  options.timeout = Millis(0);
  options.on_head = [&](const HttpResponse& head) {
    head_status = head.status;
    EXPECT_EQ(head.headers.Get("X-A"), "b");
    EXPECT_EQ(total, 0U);
    return true;
  };
  options.on_body = [&](std::string_view piece) {
    total += piece.size();
    return true;
  };
  const auto response = client.Send(Get(server.Url()), options);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(total, 20'000'000U);
  EXPECT_EQ(head_status, 200);
  EXPECT_EQ(response->body, "");
  EXPECT_EQ(response->headers.Get("X-A"), "b");
}

TEST_F(HttpStreamTest, EndsAStreamThatIsNotWanted) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    connection.WaitForClose();
  });
  options.on_body = [](std::string_view) { return false; };
  EXPECT_EQ(client.Send(Get(server.Url()), options).error().cause, Cause::kFailed);
  options.on_head = [](const HttpResponse&) { return false; };
  options.on_body = [](std::string_view) -> bool { std::abort(); };
  EXPECT_EQ(client.Send(Get(server.Url()), options).error().cause, Cause::kFailed);
}

TEST_F(HttpStreamTest, NoticesASilentStream) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
    connection.WaitForClose();
  });
  std::string heard;
  options.timeout = Millis(0);
  options.idle_timeout = Millis(60);
  options.on_body = [&](std::string_view piece) {
    heard += piece;
    return true;
  };
  const auto response = client.Send(Get(server.Url()), options);
  ASSERT_FALSE(response);
  EXPECT_EQ(heard, "hi");
  EXPECT_EQ(response.error().cause, Cause::kTimeout);
  EXPECT_THAT(response.error().message, EndsWith("nothing came for 0.06s"));
}

TEST_F(HttpStreamTest, StopsAtOnceWhenAsked) {
  std::stop_source stop;
  RawServer server([&](RawServer::Connection& connection) {
    connection.ReadRequest();
    stop.request_stop();
    connection.WaitForClose();
  });
  options.timeout = Millis(0);
  options.on_body = [](std::string_view) { return true; };
  options.stop = stop.get_token();
  auto response = client.Send(Get(server.Url()), options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().cause, Cause::kFailed);
  EXPECT_THAT(response.error().message, EndsWith("it was cancelled"));
  response = client.Send(Get(server.Url()), options);
  EXPECT_THAT(response.error().message, EndsWith("it was cancelled"));
}

std::string RedirectTo(const std::string& location, int status = 302) {
  return fmt::format("HTTP/1.1 {} Moved\r\nLocation: {}\r\nContent-Length: 4\r\n\r\nmove", status,
                     location);
}

TEST_F(HttpRedirectTest, FollowsNoRedirectUnlessAsked) {
  RawServer server(RawServer::Always(RedirectTo("/elsewhere")));
  const auto response = client.Send(Get(server.Url()), options);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(response->headers.Get("Location"), "/elsewhere");
  EXPECT_EQ(response->body, "move");
}

TEST_F(HttpRedirectTest, KeepsCredentialsAtTheSameOriginAndDropsThemElsewhere) {
  RawServer elsewhere(RawServer::Echo);
  RawServer server([&](RawServer::Connection& connection) {
    for (;;) {
      const std::string request = connection.ReadRequest();
      if (request.empty()) return;
      if (request.starts_with("GET /away")) {
        connection.Write(RedirectTo(elsewhere.Url("/there?x=1")));
      } else if (request.starts_with("GET /home/x")) {
        connection.Write(RedirectTo("end"));
      } else {
        connection.Write(RawServer::Ok(request));
      }
    }
  });
  options.follow_redirects = true;
  HttpRequest request = Get(server.Url("/home/x"));
  request.headers = {{"Authorization", "Bearer t0ken"}, {"X-Api-Key", "k3y"}, {"Accept", "a/b"}};
  const auto same = client.Send(request, options);
  ASSERT_TRUE(same) << same.error().message;
  EXPECT_THAT(same->body, StartsWith("GET /home/end HTTP/1.1\r\n"));
  EXPECT_THAT(same->body, AllOf(HasSubstr("Bearer t0ken"), HasSubstr("k3y"), HasSubstr("a/b")));

  request.url = server.Url("/away");
  const auto other = client.Send(request, options);
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_THAT(other->body, StartsWith("GET /there?x=1 HTTP/1.1\r\n"));
  EXPECT_THAT(other->body, AllOf(Not(HasSubstr("t0ken")), Not(HasSubstr("k3y")), HasSubstr("a/b")));

  // User info of the first URL is a credential too.
  request.url = fmt::format("http://me:pw@127.0.0.1:{}/away", server.port());
  EXPECT_THAT(client.Send(request, options)->body, Not(HasSubstr("Authorization")));
}

TEST_F(HttpRedirectTest, TurnsARedirectedPostIntoAGetWhereBrowsersDo) {
  for (const int status : {301, 302, 303, 307, 308}) {
    RawServer server([&](RawServer::Connection& connection) {
      connection.ReadRequest();
      connection.Write(RedirectTo("/next", status));
      RawServer::Echo(connection);
    });
    options.follow_redirects = true;
    HttpRequest request = Post(server.Url("/first"), "payload");
    request.headers = {{"Content-Type", "text/x"}};
    const auto response = client.Send(request, options);
    ASSERT_TRUE(response) << response.error().message;
    if (status < 307) {
      EXPECT_THAT(response->body, AllOf(StartsWith("GET /next"), Not(HasSubstr("text/x"))));
    } else {
      EXPECT_THAT(response->body, AllOf(StartsWith("POST /next"), EndsWith("payload")));
    }
  }
}

TEST_F(HttpRedirectTest, StopsGoingInCircles) {
  RawServer server(RawServer::Always(RedirectTo("/again")));
  options.follow_redirects = true;
  const auto response = client.Send(Get(server.Url()), options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().cause, Cause::kLimit);
  EXPECT_THAT(response.error().message, EndsWith("stopped after 10 redirects"));
}

TEST_F(HttpRedirectTest, NeverFollowsOutOfHttp) {
  options.follow_redirects = true;
  for (const char* location :
       {"file:///etc/passwd", "gopher://127.0.0.1/", "ftp://h/", "http://"}) {
    RawServer server(RawServer::Always(RedirectTo(location)));
    const auto response = client.Send(Get(server.Url()), options);
    ASSERT_FALSE(response) << location;
    EXPECT_EQ(response.error().cause, Cause::kFailed);
  }
}

TEST_F(HttpRedirectTest, StreamsOnlyWhereARedirectLeads) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write(RedirectTo("/end"));
    connection.ReadRequest();
    connection.Write(RawServer::Ok("the end"));
  });
  std::string body;
  int heads = 0;
  options.follow_redirects = true;
  options.on_head = [&](const HttpResponse&) { return ++heads > 0; };
  options.on_body = [&](std::string_view piece) {
    body += piece;
    return true;
  };
  ASSERT_TRUE(client.Send(Get(server.Url()), options));
  EXPECT_EQ(heads, 1);
  EXPECT_EQ(body, "the end");
}

}  // namespace
}  // namespace fettle
