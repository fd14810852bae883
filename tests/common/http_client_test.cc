// The client against servers that answer, and servers that do not: silent, endless, slow, lying,
// redirecting, dying. Every byte of the other side is the test's.
#include "common/http_client.h"

#include <gmock/gmock.h>
#include <unistd.h>
#include <zlib.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "tests/support/raw_server.h"
#include "tests/support/requests.h"

namespace fettle {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Gzip(std::string_view text) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() / 2 + 1024, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

class HttpClientTest : public ::testing::Test {
 protected:
  HttpClient client;
  HttpOptions options;
};

TEST_F(HttpClientTest, GetsStatusHeadersAndBody) {
  RawServer server(RawServer::Always(
      "HTTP/1.1 404 Not Found\r\nContent-Type:text/plain \r\nVia: a\r\nVia:  b\r\n"
      "Empty:\r\nContent-Length: 5\r\n\r\nnope\n"));
  const auto response = client.Send(Get(server.Url("/x?y=z")), options);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->headers.Get("content-type"), "text/plain");
  EXPECT_EQ(response->headers.Get("Via"), "a");
  EXPECT_TRUE(response->headers.Has("Empty"));
  EXPECT_EQ(response->body, "nope\n");
}

TEST_F(HttpClientTest, SendsWhatItWasGivenAndNothingUnasked) {
  RawServer server(RawServer::Echo);
  const auto get = client.Send(Get(server.Url("/a/../b//c?q=1%2F2&z")), options);
  ASSERT_TRUE(get) << get.error().message;
  EXPECT_EQ(get->body, fmt::format("GET /a/../b//c?q=1%2F2&z HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n"
                                   "Accept: */*\r\nUser-Agent: fettle\r\n\r\n",
                                   server.port()));

  HttpRequest post = Post(server.Url("/p"), std::string("\0{}", 3));
  post.headers = {{"Content-Type", "application/json"}, {"X-Empty", ""}, {"Content-Length", "99"}};
  const auto posted = client.Send(post, options);
  ASSERT_TRUE(posted) << posted.error().message;
  EXPECT_THAT(posted->body, StartsWith("POST /p HTTP/1.1\r\n"));
  EXPECT_THAT(posted->body, HasSubstr("\r\nContent-Type: application/json\r\n"));
  EXPECT_THAT(posted->body, HasSubstr("\r\nX-Empty:\r\n"));
  EXPECT_THAT(posted->body, HasSubstr("\r\nContent-Length: 3\r\n"));
  EXPECT_THAT(posted->body, EndsWith(std::string("\r\n\r\n\0{}", 7)));
  EXPECT_THAT(posted->body, Not(HasSubstr("Expect")));
}

TEST_F(HttpClientTest, KnowsEveryMethod) {
  RawServer server(RawServer::Echo);
  for (const char* method : {"DELETE", "OPTIONS", "PATCH", "PUT", "POST"}) {
    HttpRequest request = Get(server.Url("/m"));
    request.method = method;
    auto response = client.Send(request, options);
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_THAT(response->body, StartsWith(fmt::format("{} /m HTTP/1.1\r\n", method)));
    EXPECT_THAT(response->body, Not(HasSubstr("Content-Type")));
    request.body = "body";
    response = client.Send(request, options);
    EXPECT_THAT(response->body, AllOf(StartsWith(method), EndsWith("\r\n\r\nbody")));
  }
}

TEST_F(HttpClientTest, HeadHasALengthAndNoBody) {
  RawServer server(
      RawServer::Always("HTTP/1.1 200 OK\r\nContent-Length: 99000000000\r\nETag: x\r\n\r\n"));
  HttpRequest request = Get(server.Url());
  request.method = "HEAD";
  const auto response = client.Send(request, options);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->headers.Get("Content-Length"), "99000000000");
  EXPECT_EQ(response->body, "");
}

TEST_F(HttpClientTest, SpeaksOverAUnixSocket) {
  const std::string path =
      std::filesystem::temp_directory_path() / fmt::format("fettle-client-{}.sock", ::getpid());
  std::filesystem::remove(path);
  {
    RawServer server(RawServer::Echo, path);
    options.unix_socket = path;
    const auto response = client.Send(Get("http://docker/v1.41/info"), options);
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_THAT(response->body, HasSubstr("GET /v1.41/info HTTP/1.1\r\nHost: docker\r\n"));
  }
  std::filesystem::remove(path);
  const auto gone = client.Send(Get("http://docker/v1.41/info"), options);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().cause, Cause::kUnavailable);
}

TEST_F(HttpClientTest, KeepsAConnectionForTheNextRequest) {
  RawServer server(RawServer::Always(RawServer::Ok("x")));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(client.Send(Get(server.Url()), options));
  EXPECT_EQ(server.connections(), 1);
  options.fresh_connection = true;
  ASSERT_TRUE(client.Send(Get(server.Url()), options));
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(HttpClientTest, KeepsConnectionsApartByOrigin) {
  RawServer first(RawServer::Always(RawServer::Ok("1")));
  RawServer second(RawServer::Always(RawServer::Ok("2")));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.Send(Get(first.Url()), options)->body, "1");
    EXPECT_EQ(client.Send(Get(second.Url()), options)->body, "2");
  }
  EXPECT_EQ(first.connections(), 1);
  EXPECT_EQ(second.connections(), 1);
}

// Accepts one request, then closes in answer to the second without a word.
RawServer::Script DiesOnTheSecond() {
  return [](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write(RawServer::Ok("first"));
    if (connection.number() == 1) {
      connection.ReadRequest();
      return;
    }
    while (!connection.ReadRequest().empty()) connection.Write(RawServer::Ok("again"));
  };
}

TEST_F(HttpClientTest, AsksAgainWhenAnIdleConnectionWasDead) {
  RawServer server(DiesOnTheSecond());
  ASSERT_TRUE(client.Send(Get(server.Url()), options));
  const auto response = client.Send(Get(server.Url()), options);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(HttpClientTest, NeverPostsTwice) {
  std::atomic<int> posts = 0;
  RawServer server([&](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write(RawServer::Ok("first"));
    if (connection.ReadRequest().starts_with("POST")) ++posts;
  });
  ASSERT_TRUE(client.Send(Get(server.Url()), options));
  const auto response = client.Send(Post(server.Url(), "restart"), options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().cause, Cause::kUnavailable);
  EXPECT_THAT(response.error().message, HasSubstr("whether it was heard is unknown"));
  EXPECT_EQ(posts, 1);
}

TEST_F(HttpClientTest, GivesUpAtTheDeadline) {
  RawServer server([](RawServer::Connection& connection) { connection.WaitForClose(); });
  options.timeout = Millis(50);
  const auto response = client.Send(Get(server.Url("/slow?token=s3cret")), options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().cause, Cause::kTimeout);
  EXPECT_THAT(response.error().message,
              AllOf(StartsWith(fmt::format("GET {}?token=…: ", server.Url("/slow"))),
                    Not(HasSubstr("s3cret"))));
}

TEST_F(HttpClientTest, CountsASlowBodyTowardsTheDeadline) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
    connection.WaitForClose();
  });
  options.timeout = Millis(80);
  EXPECT_EQ(client.Send(Get(server.Url()), options).error().cause, Cause::kTimeout);
  options.timeout = Millis(0);  // without a stream, no time is no time
  EXPECT_EQ(client.Send(Get(server.Url()), options).error().cause, Cause::kTimeout);
}

TEST_F(HttpClientTest, SaysThatNobodyListens) {
  int port = 0;
  {
    RawServer server(RawServer::Echo);
    port = server.port();
  }
  const auto response = client.Send(Get(fmt::format("http://127.0.0.1:{}/", port)), options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().cause, Cause::kUnavailable);
  EXPECT_THAT(response.error().message, HasSubstr("Connection refused"));
}

TEST_F(HttpClientTest, SaysThatThereIsNoSuchHost) {
  const auto response = client.Send(Get("http://host.invalid/"), options);
  ASSERT_FALSE(response);
  EXPECT_TRUE(response.error().retryable()) << response.error().message;
  EXPECT_THAT(response.error().message, StartsWith("GET http://host.invalid/: "));
}

TEST_F(HttpClientTest, SurvivesServersThatBreakOff) {
  struct Case {
    std::string answer;
    Cause cause;
  };
  for (const Case& c : std::vector<Case>{
           {"", Cause::kUnavailable},
           {"HTTP/1.1 200 OK\r\n", Cause::kUnavailable},
           {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123", Cause::kUnavailable},
           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Cause::kUnavailable},
           {"SSH-2.0-OpenSSH_9.2\r\n", Cause::kFailed},
       }) {
    RawServer server([&c](RawServer::Connection& connection) {
      connection.ReadRequest();
      connection.Write(c.answer);
    });
    const auto response = client.Send(Get(server.Url()), options);
    ASSERT_FALSE(response) << c.answer;
    EXPECT_EQ(response.error().cause, c.cause) << c.answer << response.error().message;
  }
}

TEST_F(HttpClientTest, SurvivesAReset) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Reset();
  });
  const auto response = client.Send(Get(server.Url()), options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().cause, Cause::kUnavailable);
}

TEST_F(HttpClientTest, BoundsTheBodyByItsLengthAndByItsBytes) {
  options.body_bytes_max = 10;
  RawServer announced(RawServer::Always(RawServer::Ok("12345678901")));
  auto response = client.Send(Get(announced.Url()), options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().cause, Cause::kLimit);

  RawServer chunked(
      RawServer::Always("HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                        "chunked\r\n\r\n6\r\n123456\r\n5\r\n78901\r\n0\r\n\r\n"));
  response = client.Send(Get(chunked.Url()), options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().cause, Cause::kLimit);
  EXPECT_THAT(response.error().message, EndsWith("the answer is longer than 10 bytes"));

  RawServer exact(RawServer::Always(RawServer::Ok("1234567890")));
  EXPECT_EQ(client.Send(Get(exact.Url()), options)->body, "1234567890");
}

TEST_F(HttpClientTest, BoundsTheHeaders) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\n");
    const std::string line = "X: " + std::string(50'000, 'x') + "\r\n";
    for (int i = 0; i < 100; ++i) connection.Write(line);
  });
  const auto response = client.Send(Get(server.Url()), options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().cause, Cause::kLimit) << response.error().message;
}

TEST_F(HttpClientTest, DecodesGzipOnlyWhenAskedAndBoundsWhatItBecomes) {
  const std::string packed = Gzip(std::string(1'000'000, 'a'));
  RawServer server(RawServer::Always(
      fmt::format("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n{}",
                  packed.size(), packed)));
  EXPECT_EQ(client.Send(Get(server.Url()), options)->body, packed);
  options.accept_gzip = true;
  EXPECT_EQ(client.Send(Get(server.Url()), options)->body, std::string(1'000'000, 'a'));
  options.body_bytes_max = 999'999;
  EXPECT_EQ(client.Send(Get(server.Url()), options).error().cause, Cause::kLimit);

  RawServer echo(RawServer::Echo);
  EXPECT_THAT(client.Send(Get(echo.Url()), options)->body, HasSubstr("Accept-Encoding: gzip\r\n"));
}

TEST_F(HttpClientTest, RefusesWhatIsNoRequest) {
  struct Case {
    std::string method;
    std::string url;
    Headers headers;
  };
  for (const Case& c : std::vector<Case>{
           {"GET", "", {}},
           {"GET", "no-url", {}},
           {"GET", "http://", {}},
           {"GET", "http://a b/", {}},
           {"GET", "http://h/\r\nX: y", {}},
           {"GET", "http://h:99999/", {}},
           {"GET", "ftp://h/", {}},
           {"GET", "file:///etc/passwd", {}},
           {"GET", "gopher://h/", {}},
           {"", "http://h/", {}},
           {"GET /x HTTP/1.1\r\n", "http://h/", {}},
           {"get", "http://h/", {}},
           {"GET", "http://h/", {{"X", "a\r\nY: b"}}},
           {"GET", "http://h/", {{"X", std::string("a\0b", 3)}}},
           {"GET", "http://h/", {{"X: a\r\nY", "b"}}},
           {"GET", "http://h/", {{"", "b"}}},
       }) {
    HttpRequest request = Get(c.url);
    request.method = c.method;
    request.headers = c.headers;
    const auto response = client.Send(request, options);
    ASSERT_FALSE(response) << c.method << " " << c.url;
    EXPECT_EQ(response.error().cause, Cause::kInvalid) << c.url << response.error().message;
  }
}

TEST_F(HttpClientTest, SendsUserInfoAsBasicAuthAndNeverSaysIt) {
  RawServer server(RawServer::Echo);
  const std::string url = fmt::format("http://me:s3cret@127.0.0.1:{}/x", server.port());
  const auto response = client.Send(Get(url), options);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_THAT(response->body, HasSubstr("Authorization: Basic bWU6czNjcmV0\r\n"));
  options.body_bytes_max = 1;
  EXPECT_THAT(client.Send(Get(url), options).error().message,
              AllOf(Not(HasSubstr("s3cret")), Not(HasSubstr("me:"))));
}

TEST_F(HttpClientTest, NamesOnlyTheHostOfASecretUrl) {
  RawServer server([](RawServer::Connection&) {});
  options.secret_url = true;
  const auto response = client.Send(Post(server.Url("/services/T0/B0/xyz"), "{}"), options);
  EXPECT_THAT(response.error().message, StartsWith(fmt::format("POST {}…: ", server.Url())));
  EXPECT_THAT(response.error().message, Not(HasSubstr("xyz")));
}

TEST_F(HttpClientTest, IgnoresTheEnvironmentsProxyAndUsesTheOneGiven) {
  RawServer server(RawServer::Echo);
  RawServer proxy(RawServer::Always(RawServer::Ok("by proxy")));
  ::setenv("http_proxy", proxy.Url("").c_str(), 1);
  const auto direct = client.Send(Get(server.Url("/d")), options);
  ::unsetenv("http_proxy");
  ASSERT_TRUE(direct) << direct.error().message;
  EXPECT_THAT(direct->body, StartsWith("GET /d HTTP/1.1"));

  options.proxy_url = proxy.Url("");
  EXPECT_EQ(client.Send(Get(server.Url("/d")), options)->body, "by proxy");
  options.no_proxy = "example.org,127.0.0.1";
  EXPECT_THAT(client.Send(Get(server.Url("/d")), options)->body, StartsWith("GET /d"));
}

TEST_F(HttpClientTest, PassesOverContinueAndTrailers) {
  RawServer server(RawServer::Always(
      "HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\nHTTP/1.1 201 Created\r\nX: late\r\n"
      "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: t\r\n\r\n"));
  const auto response = client.Send(Get(server.Url()), options);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->body, "ok");
  EXPECT_FALSE(response->headers.Has("X-Early"));
  EXPECT_FALSE(response->headers.Has("X-Trailer"));
}

TEST_F(HttpClientTest, ServesManyThreadsAtOnce) {
  RawServer server(RawServer::Echo);
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const std::string body = fmt::format("{}-{}", t, i);
        const auto response = client.Send(Post(server.Url(), body), HttpOptions{});
        if (response && response->body.ends_with("\r\n\r\n" + body)) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 240);
  EXPECT_LE(server.connections(), 240);
}

TEST_F(HttpClientTest, LeavesNoDescriptorBehind) {
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  RawServer server(RawServer::Echo);
  const auto before = descriptors();
  {
    HttpClient other;
    for (int i = 0; i < 30; ++i) {
      ASSERT_TRUE(other.Send(Get(fmt::format("http://127.0.0.1:{}/", server.port())), options));
    }
  }
  // The server's own side may not have noticed yet.
  EXPECT_LE(descriptors(), before + 1);
}

TEST(RedactUrlTest, HidesUserInfoQueryValuesAndFragment) {
  struct Case {
    std::string url;
    std::string redacted;
  };
  for (const Case& c : std::vector<Case>{
           {"http://host/path", "http://host/path"},
           {"https://me:pw@host:1/path?a=1&token=x#frag", "https://host:1/path?a=…&token=…"},
           {"https://token@host", "https://host"},
           {"https://a@b@host/x@y", "https://host/x@y"},
           {"https://host?sig", "https://host?…"},
           {"https://host/?", "https://host/"},
           {"/path?x=1", "/path?x=…"},
           {"me:pw@host/x", "host/x"},
           {"", ""},
       }) {
    EXPECT_EQ(RedactUrl(c.url), c.redacted) << c.url;
  }
}

}  // namespace
}  // namespace fettle
