// The server on a real socket: what handlers see, what clients get, and what is refused and how.
// Crowds and slow clients are in http_server_crowd_test.cc, credentials in
// http_server_auth_test.cc.
#include "common/http_server.h"

#include <gmock/gmock.h>

#include <stdexcept>

#include "common/http_client.h"
#include "tests/support/raw_client.h"
#include "tests/support/requests.h"
#include "tests/support/test_server.h"

namespace fettle {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() {
    server.Route("GET", "/hello", [](const HttpRequest&) { return TextResponse(200, "hello\n"); });
    server.Route("POST", "/echo",
                 [](const HttpRequest& request) { return TextResponse(200, request.body); });
  }
  HttpResponse Send(const HttpRequest& request) {
    const auto response = client.Send(request, {});
    EXPECT_TRUE(response) << response.error().message;
    return response ? *response : HttpResponse{};
  }
  TestServer server;
  HttpClient client;
};

TEST_F(HttpServerTest, ShowsTheHandlerTheWholeRequest) {
  HttpRequest seen;
  server.Route("POST", "/api/x y", [&](const HttpRequest& request) {
    seen = request;
    HttpResponse response = TextResponse(201, "made");
    response.headers.Add("X-A", "1");
    response.headers.Add("X-A", "2");
    return response;
  });
  server.Start();
  HttpRequest request = Post(server.url() + "/api/x%20y?q=a%26b&q=c", "body");
  request.headers.Set("X-B", "3");
  const HttpResponse response = Send(request);
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.body, "made");
  EXPECT_EQ(response.headers.Get("X-A"), "1");
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.url, "/api/x%20y?q=a%26b&q=c");
  EXPECT_EQ(seen.Path(), "/api/x y");
  EXPECT_EQ(seen.Query("q"), "a&b");
  EXPECT_EQ(seen.headers.Get("x-b"), "3");
  EXPECT_EQ(seen.body, "body");
  EXPECT_EQ(seen.remote_address, "127.0.0.1");
  EXPECT_EQ(seen.identity.role, Role::kOperator) << "without authentication everybody may";
  EXPECT_FALSE(seen.identity.authenticated);
}

TEST_F(HttpServerTest, NotesWhoseTraceARequestWasPartOf) {
  std::string told;
  server.exemplars.OnNote([&](const std::string& family, const Labels& bucket,
                              const Exemplar& exemplar) {
    told += fmt::format("{} {} {}\n", family, bucket.Get("handler"), exemplar.labels.ToString());
  });
  server.Start();
  HttpRequest request = Get(server.url() + "/hello");
  Send(request);
  request.headers.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  Send(request);
  server.Stop();  // so that the server's thread has said it
  EXPECT_EQ(told,
            "fettle_http_request_duration_seconds /hello "
            "{trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"}\n");
}

// What the deepest query that is allowed needs, and a sanitizer several times.
TEST_F(HttpServerTest, GivesHandlersAsMuchStackAsOtherThreadsHave) {
  server.Route("GET", "/deep", [](const HttpRequest&) {
    volatile char deep[4 * 1024 * 1024];
    for (std::size_t i = 0; i < sizeof(deep); i += 1024) deep[i] = 1;
    return TextResponse(200, deep[0] == 1 ? "deep" : "");
  });
  server.Start();
  EXPECT_EQ(Send({.url = server.url() + "/deep"}).body, "deep");
}

TEST_F(HttpServerTest, WritesACompleteHead) {
  server.Start();
  RawClient raw(server.address());
  EXPECT_EQ(raw.Ask("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 6\r\n"
            "Connection: keep-alive\r\n\r\nhello\n");
}

TEST_F(HttpServerTest, AnswersHeadAsGetWithoutTheBody) {
  server.Start();
  RawClient raw(server.address());
  raw.Send("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(raw.ReadAnswer(false),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Length: 6\r\n"),
                    EndsWith("\r\n\r\n")));
  EXPECT_THAT(raw.ReadAnswer(), AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("hello\n")));
}

TEST_F(HttpServerTest, SaysWhatIsNotHereAndWhatIsNotAllowed) {
  server.Route("DELETE", "/hello", [](const HttpRequest&) { return HttpResponse{}; });
  server.Start();
  const HttpResponse missing = Send(Get(server.url() + "/nope"));
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.body, "404 page not found\n");
  HttpRequest put = Get(server.url() + "/hello");
  put.method = "PUT";
  const HttpResponse refused = Send(put);
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.headers.Get("Allow"), "DELETE, GET, HEAD");
  EXPECT_EQ(server.Metric("fettle_http_refused_total", {{"reason", "no_route"}}), 1);
  EXPECT_EQ(server.Metric("fettle_http_refused_total", {{"reason", "method"}}), 1);
  for (const char* code : {"404", "405"}) {
    EXPECT_EQ(server.Metric("fettle_http_requests_total", {{"code", code}, {"handler", "other"}}),
              1);
  }
}

TEST_F(HttpServerTest, ReadsBodiesByLengthAndByChunks) {
  server.Start();
  RawClient raw(server.address());
  EXPECT_THAT(raw.Ask("POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde"),
              EndsWith("\r\n\r\nabcde"));
  EXPECT_THAT(raw.Ask("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
              EndsWith("\r\n\r\nhello world"));
  EXPECT_THAT(raw.Ask("POST /echo HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), EndsWith("\r\n\r\n"));
  EXPECT_THAT(raw.Ask("POST /echo HTTP/1.1\r\n\r\n"), EndsWith("\r\n\r\n"));
  const std::string large(3'000'000, 'x');
  EXPECT_EQ(Send(Post(server.url() + "/echo", large)).body, large);
}

TEST_F(HttpServerTest, InvitesABodyThatWaitsToBeInvited) {
  server.Start();
  RawClient raw(server.address());
  raw.Send("POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(raw.ReadAnswer(), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_THAT(raw.Ask("hi"), EndsWith("\r\n\r\nhi"));
  raw.Send("POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n");
  EXPECT_THAT(raw.ReadAnswer(), StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpServerTest, RefusesBodiesThatAreTooLong_W07) {
  server.options.body_bytes_max = 1'000'000;
  server.Start();
  EXPECT_EQ(Send(Post(server.url() + "/echo", std::string(1'000'000, 'x'))).status, 200);
  const HttpResponse refused = Send(Post(server.url() + "/echo", std::string(9'000'000, 'x')));
  EXPECT_EQ(refused.status, 413) << "read to its end, so that the client hears the answer";
  EXPECT_EQ(refused.body, "the body is longer than 1000000 bytes\n");

  RawClient raw(server.address());
  raw.Send("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "100000\r\n" + std::string(0x100000, 'y') + "\r\n";
  raw.Send(chunk + chunk + "0\r\n\r\n");
  EXPECT_THAT(raw.ReadAnswer(),
              AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr("Connection: close\r\n")));
  EXPECT_TRUE(raw.WaitForClose());
  EXPECT_EQ(server.Metric("fettle_http_refused_total", {{"reason", "body_bytes"}}), 2);
}

TEST_F(HttpServerTest, BoundsAllBodiesTogether) {
  server.options.bodies_bytes_max = 1'000;
  server.Start();
  EXPECT_EQ(Send(Post(server.url() + "/echo", std::string(1'000, 'x'))).status, 200);
  EXPECT_EQ(Send(Post(server.url() + "/echo", std::string(1'001, 'x'))).status, 503);
  EXPECT_EQ(Send(Post(server.url() + "/echo", std::string(1'000, 'x'))).status, 200)
      << "what was counted is given back";
  EXPECT_EQ(server.Metric("fettle_http_refused_total", {{"reason", "bodies_memory"}}), 1);
}

TEST_F(HttpServerTest, RefusesWhatCanBeReadInTwoWays) {
  server.Start();
  for (const char* head : {
           "Content-Length: 5\r\nContent-Length: 6\r\n",
           "Content-Length: 5\r\nContent-Length: 5\r\n",
           "Content-Length: 5x\r\n",
           "Content-Length: +5\r\n",
           "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
       }) {
    RawClient raw(server.address());
    EXPECT_THAT(raw.Ask(fmt::format("POST /echo HTTP/1.1\r\n{}\r\n5\r\nhello\r\n0\r\n\r\n", head)),
                AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("ambiguous"),
                      HasSubstr("Connection: close\r\n")))
        << head;
    EXPECT_TRUE(raw.WaitForClose());
  }
}

TEST_F(HttpServerTest, RefusesWhatIsNoRequest) {
  server.Start();
  for (const std::string& bytes : std::vector<std::string>{
           "\x16\x03\x01 a TLS client hello\r\n\r\n", "hello\r\n\r\n", "GET\r\n\r\n",
           "FOO / HTTP/1.1\r\n\r\n", std::string("GET /a\0b HTTP/1.1\r\n\r\n", 21),
           "GET / HTTP/1.1\r\nno colon\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
           "POST /echo HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "GET /a%0ab HTTP/1.1\r\n\r\n",
           "POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n"}) {
    RawClient raw(server.address());
    EXPECT_THAT(raw.Ask(bytes), StartsWith("HTTP/1.1 400 Bad Request\r\n")) << bytes;
  }
  RawClient raw(server.address());
  EXPECT_THAT(raw.Ask("GET / HTTP/3.0\r\n\r\n"), StartsWith("HTTP/1.1 505 "));
  EXPECT_EQ(server.Metric("fettle_http_refused_total", {{"reason", "malformed"}}), 11);
}

TEST_F(HttpServerTest, RefusesBrokenBodies_W07) {
  server.Start();
  {
    RawClient raw(server.address());
    EXPECT_THAT(raw.Ask("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"),
                StartsWith("HTTP/1.1 400 "));
  }
  RawClient raw(server.address());
  raw.Send("POST /echo HTTP/1.1\r\nContent-Length: 50\r\n\r\nhello");
  raw.EndSending();
  EXPECT_THAT(raw.ReadAnswer(), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(server.Metric("fettle_http_refused_total", {{"reason", "body_broken"}}), 2);
}

TEST_F(HttpServerTest, BoundsTheHead) {
  server.Start();
  const auto ask = [&](const std::string& bytes) { return RawClient(server.address()).Ask(bytes); };
  EXPECT_THAT(ask("GET /hello HTTP/1.1\r\nX: " + std::string(17'000, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(ask("GET /" + std::string(30'000, 'x') + " HTTP/1.1\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(ask("GET /hello?" + std::string(9'000, 'x') + " HTTP/1.1\r\n\r\n"),
              StartsWith("HTTP/1.1 414 "));
  std::string many;
  for (int i = 0; i < 64; ++i) many += fmt::format("X-{}: y\r\n", i);
  EXPECT_THAT(ask("GET /hello HTTP/1.1\r\n" + many + "\r\n"), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(ask("GET /hello HTTP/1.1\r\nX: " + std::string(15'000, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(server.Metric("fettle_http_refused_total", {{"reason", "header_bytes"}}), 3);
  EXPECT_EQ(server.Metric("fettle_http_refused_total", {{"reason", "url_bytes"}}), 1);
}

TEST_F(HttpServerTest, BoundsTheHeadOfALaterRequestToo) {
  server.Start();
  RawClient raw(server.address());
  EXPECT_THAT(
      raw.Ask("POST /echo HTTP/1.1\r\nContent-Length: 20000\r\n\r\n" + std::string(20'000, 'x')),
      StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(raw.Ask("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  RawClient other(server.address());
  EXPECT_THAT(other.Ask("GET /hello HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(other.Ask("GET /" + std::string(30'000, 'x') + " HTTP/1.1\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpServerTest, ClosesWhenAskedAndForOldClients) {
  server.Start();
  for (const char* bytes : {"GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n",
                            "GET /hello HTTP/1.1\r\nConnection: upgrade, Close\r\n\r\n",
                            "GET /hello HTTP/1.0\r\n\r\n"}) {
    RawClient raw(server.address());
    EXPECT_THAT(raw.Ask(bytes), HasSubstr("Connection: close\r\n"));
    EXPECT_TRUE(raw.WaitForClose());
  }
}

TEST_F(HttpServerTest, TurnsWhatAHandlerThrowsIntoA500) {
  server.Route("GET", "/throw",
               [](const HttpRequest&) -> HttpResponse { throw std::runtime_error("the reason"); });
  server.Route("GET", "/throw-int", [](const HttpRequest&) -> HttpResponse { throw 7; });
  server.Start();
  const HttpResponse response = Send(Get(server.url() + "/throw"));
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body, "internal error\n") << "the reason is for the log";
  EXPECT_TRUE(server.log.Contains("the reason"));
  EXPECT_EQ(Send(Get(server.url() + "/throw-int")).status, 500);
  EXPECT_EQ(Send(Get(server.url() + "/hello")).status, 200);
}

TEST_F(HttpServerTest, CompressesLargeAnswersForWhoAccepts) {
  const std::string large(100'000, 'a');
  server.Route("GET", "/large", [&](const HttpRequest&) { return TextResponse(200, large); });
  server.Route("GET", "/encoded", [&](const HttpRequest&) {
    HttpResponse response = TextResponse(200, large);
    response.headers.Set("Content-Encoding", "zstd");
    return response;
  });
  server.Start();
  HttpOptions gzip;
  gzip.accept_gzip = true;
  const auto packed = client.Send(Get(server.url() + "/large"), gzip);
  ASSERT_TRUE(packed) << packed.error().message;
  EXPECT_EQ(packed->body, large);
  EXPECT_EQ(packed->headers.Get("Content-Encoding"), "gzip");
  EXPECT_EQ(packed->headers.Get("Vary"), "Accept-Encoding");
  EXPECT_LT(std::stoi(std::string(packed->headers.Get("Content-Length"))), 1'000);

  const HttpResponse plain = Send(Get(server.url() + "/large"));
  EXPECT_FALSE(plain.headers.Has("Content-Encoding"));
  EXPECT_EQ(plain.body, large);
  HttpRequest encoded = Get(server.url() + "/encoded");
  encoded.headers.Set("Accept-Encoding", "gzip");
  EXPECT_EQ(Send(encoded).headers.Get("Content-Encoding"), "zstd");
  const auto small = client.Send(Get(server.url() + "/hello"), gzip);
  EXPECT_FALSE(small->headers.Has("Content-Encoding"));
}

TEST_F(HttpServerTest, SendsTheConfiguredHeadersWithEveryAnswer) {
  server.web_config.headers = {{"X-Frame-Options", "deny"},
                               {"Content-Security-Policy", "default-src 'self'"}};
  server.Route("GET", "/own", [](const HttpRequest&) {
    HttpResponse response;
    response.headers.Set("content-security-policy", "none");
    return response;
  });
  server.Start();
  EXPECT_EQ(Send(Get(server.url() + "/hello")).headers.Get("X-Frame-Options"), "deny");
  EXPECT_EQ(Send(Get(server.url() + "/nope")).headers.Get("X-Frame-Options"), "deny");
  EXPECT_EQ(Send(Get(server.url() + "/own")).headers.Get("Content-Security-Policy"), "none");
  RawClient raw(server.address());
  EXPECT_THAT(raw.Ask("nonsense\r\n\r\n"), HasSubstr("X-Frame-Options: deny\r\n"));
}

TEST_F(HttpServerTest, LetsNoHeaderBeginAnother) {
  server.Route("GET", "/inject", [](const HttpRequest& request) {
    HttpResponse response;
    response.headers.Set("X-Label", *request.Query("v"));
    return response;
  });
  server.Start();
  RawClient raw(server.address());
  EXPECT_THAT(raw.Ask("GET /inject?v=a%0d%0aSet-Cookie:%20b HTTP/1.1\r\n\r\n"),
              AllOf(HasSubstr("X-Label: a  Set-Cookie: b\r\n"), Not(HasSubstr("\nSet-Cookie"))));
}

TEST_F(HttpServerTest, HasNoOpinionOnOtherOrigins) {
  server.Start();
  RawClient raw(server.address());
  EXPECT_THAT(raw.Ask("OPTIONS /hello HTTP/1.1\r\nOrigin: http://evil\r\n"
                      "Access-Control-Request-Method: POST\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 405 "), Not(HasSubstr("Access-Control"))));
}

TEST_F(HttpServerTest, StatusWithoutBodyHasNone) {
  server.Route("POST", "/none", [](const HttpRequest&) {
    HttpResponse response;
    response.status = 204;
    return response;
  });
  server.Start();
  RawClient raw(server.address());
  raw.Send("POST /none HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(raw.ReadAnswer(false),
              AllOf(StartsWith("HTTP/1.1 204 No Content\r\n"), Not(HasSubstr("Content-Length"))));
}

TEST_F(HttpServerTest, CountsRequestsByHandlerAndCode) {
  server.Start();
  for (int i = 0; i < 3; ++i) Send(Get(server.url() + "/hello?i=" + std::to_string(i)));
  const Labels hello = {{"code", "200"}, {"handler", "/hello"}};
  EXPECT_EQ(server.Metric("fettle_http_requests_total", hello), 3);
  EXPECT_EQ(server.Metric("fettle_http_request_duration_seconds_count", {{"handler", "/hello"}}),
            3);
}

TEST_F(HttpServerTest, StreamsUntilTheHandlerOrTheClientIsDone) {
  std::atomic<bool> left = false;
  server.Route("GET", "/count", [](const HttpRequest&) {
    HttpResponse response = TextResponse(200, "");
    response.stream = [](const HttpResponse::Write& write) {
      for (int i = 0; i < 3; ++i) EXPECT_TRUE(write(fmt::format("data: {}\n\n", i)));
      EXPECT_TRUE(write(""));
    };
    return response;
  });
  server.Route("GET", "/forever", [&](const HttpRequest&) {
    HttpResponse response;
    response.stream = [&](const HttpResponse::Write& write) {
      while (write("tick\n")) {
      }
      left = true;
      left.notify_all();
    };
    return response;
  });
  server.Start();
  const HttpResponse counted = Send(Get(server.url() + "/count"));
  EXPECT_EQ(counted.body, "data: 0\n\ndata: 1\n\ndata: 2\n\n");
  EXPECT_EQ(counted.headers.Get("Transfer-Encoding"), "chunked");

  HttpOptions leave;
  leave.on_body = [](std::string_view) { return false; };
  EXPECT_FALSE(client.Send(Get(server.url() + "/forever"), leave));
  left.wait(false);
}

TEST_F(HttpServerTest, BoundsTheLiveViewers) {
  server.options.streams_max = 1;
  std::atomic<bool> go_on = true;
  server.Route("GET", "/live", [&](const HttpRequest&) {
    HttpResponse response;
    response.stream = [&](const HttpResponse::Write& write) {
      write("first\n");
      go_on.wait(true);
    };
    return response;
  });
  server.Start();
  RawClient viewer(server.address());
  viewer.Send("GET /live HTTP/1.1\r\n\r\n");
  // Its first bytes are there once it holds its place.
  EXPECT_THAT(viewer.ReadAnswer(false), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(Send(Get(server.url() + "/live")).status, 503);
  EXPECT_EQ(server.Metric("fettle_http_refused_total", {{"reason", "streams"}}), 1);
  go_on = false;
  go_on.notify_all();
  EXPECT_THAT(viewer.ReadAnswer(false), HasSubstr("first"));
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  server.Start();
  const auto listen = [&](const std::string& address) {
    TestServer other;
    other.options.listen_address = address;
    return other.TryStart();
  };
  EXPECT_THAT(listen(server.address()).error().message,
              AllOf(StartsWith("listen on " + server.address() + ": "),
                    HasSubstr("Address already in use")));
  EXPECT_EQ(listen("9911").error().message,
            "listen on 9911: \"9911\" is no address: write host:port");
  EXPECT_EQ(listen("127.0.0.1:99999").error().message,
            "listen on 127.0.0.1:99999: \"99999\" is no port");
  EXPECT_EQ(listen("[::1]:0").error().message,
            "listen on [::1]:0: civetweb listens on IPv4 only: write 0.0.0.0:0");
  EXPECT_FALSE(listen("no.such.host.invalid:0"));
}

TEST_F(HttpServerTest, ListensEverywhereWithoutAHost) {
  server.options.listen_address = ":0";
  server.Start();
  EXPECT_THAT(server.address(), StartsWith("0.0.0.0:"));
  EXPECT_EQ(Send(Get(server.url() + "/hello")).status, 200);
}

}  // namespace
}  // namespace fettle
