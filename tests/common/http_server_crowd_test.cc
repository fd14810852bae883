// The server among too many, too slow and too greedy clients. Limits are made small, so that
// reaching them takes no time.
#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "common/http_client.h"
#include "tests/support/raw_client.h"
#include "tests/support/requests.h"
#include "tests/support/test_server.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Handlers that wait here until the test opens it.
class Gate {
 public:
  void Pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void AwaitWaiting(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= count; });
  }
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = false;
};

class HttpServerCrowdTest : public ::testing::Test {
 protected:
  HttpServerCrowdTest() {
    server.Route("GET", "/hello", [](const HttpRequest&) { return TextResponse(200, "hello\n"); });
    server.Route("GET", "/-/healthy", [](const HttpRequest&) { return TextResponse(200, "ok\n"); });
    server.Route("POST", "/webhook", [](const HttpRequest&) { return TextResponse(200, "ok\n"); });
    server.Route("POST", "/echo",
                 [](const HttpRequest& request) { return TextResponse(200, request.body); });
    server.Route("GET", "/wait", [this](const HttpRequest&) {
      gate.Pass();
      return TextResponse(200, "waited\n");
    });
  }
  ~HttpServerCrowdTest() override { gate.Open(); }

  std::unique_ptr<RawClient> Connect() { return std::make_unique<RawClient>(server.address()); }
  std::unique_ptr<RawClient> Wait() {
    auto client = Connect();
    client->Send("GET /wait HTTP/1.1\r\n\r\n");
    gate.AwaitWaiting(++waiting);
    return client;
  }
  double Refused(const std::string& reason) {
    return server.Metric("fettle_http_refused_total", {{"reason", reason}});
  }

  static constexpr std::string_view kHello = "GET /hello HTTP/1.1\r\n\r\n";
  Gate gate;
  int waiting = 0;
  TestServer server;
};

TEST_F(HttpServerCrowdTest, RefusesTheNinthOfOneAddress) {
  server.options.connections_per_address_max = HttpServer::Options().connections_per_address_max;
  server.Start();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(Wait());
  const auto ninth = Connect();
  EXPECT_THAT(ninth->ReadAnswer(), AllOf(StartsWith("HTTP/1.1 503 Service Unavailable\r\n"),
                                         HasSubstr("Retry-After: 1\r\n")));
  EXPECT_TRUE(ninth->WaitForClose());
  EXPECT_EQ(Refused("address_connections"), 1);
  gate.Open();
  for (const auto& client : clients) EXPECT_THAT(client->ReadAnswer(), HasSubstr("waited"));
}

TEST_F(HttpServerCrowdTest, ClosesAnIdleConnectionForANewOne) {
  server.options.connections_per_address_max = 2;
  server.options.keep_alive = Millis(20'000);
  server.Start();
  const auto first = Connect();
  EXPECT_THAT(first->Ask(kHello), HasSubstr("hello"));
  const auto second = Connect();
  EXPECT_THAT(second->Ask(kHello), HasSubstr("hello"));
  std::unique_ptr<RawClient> third;
  // A thread may not have come to rest yet when its client has the answer.
  EXPECT_TRUE(WaitUntil([&] {
    third = Connect();
    return third->Ask(kHello).ends_with("hello\n");
  }));
  const std::chrono::milliseconds briefly(5);
  EXPECT_TRUE(
      WaitUntil([&] { return first->WaitForClose(briefly) || second->WaitForClose(briefly); }));
}

TEST_F(HttpServerCrowdTest, KeepsDoorsForTheWebhookAndHealth) {
  server.options.threads = 5;
  server.options.doors_kept = 2;
  server.options.connections_per_address_max = 100;
  server.Start();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(Wait());
  EXPECT_THAT(Connect()->Ask(kHello),
              AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("Retry-After: 1\r\n"),
                    HasSubstr("all doors are taken")));
  EXPECT_THAT(Connect()->Ask("GET /-/healthy HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Connect()->Ask("POST /webhook HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"),
              StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(Refused("doors"), 1);
  gate.Open();
  for (const auto& client : clients) EXPECT_THAT(client->ReadAnswer(), HasSubstr("waited"));
  EXPECT_THAT(Connect()->Ask(kHello), HasSubstr("hello"));
}

TEST_F(HttpServerCrowdTest, ServesWhoComesWhileAllThreadsAreBusyOnceOneIsFree) {
  server.options.threads = 2;
  server.options.doors_kept = 0;
  server.options.connections_per_address_max = 100;
  server.Start();
  const auto first = Wait();
  const auto second = Wait();
  const auto third = Connect();
  third->Send(kHello);
  gate.Open();
  EXPECT_THAT(first->ReadAnswer(), HasSubstr("waited"));
  EXPECT_THAT(third->ReadAnswer(), StartsWith("HTTP/1.1 "));
}

TEST_F(HttpServerCrowdTest, TellsWhoSendsItsHeadersTooSlowly_W07) {
  server.options.header_deadline = Millis(150);
  server.Start();
  const auto silent = Connect();
  const auto slow = Connect();
  slow->Send("GET /hello HTTP/1.1\r\nX: ");
  std::thread trickle([&] {
    while (slow->Send("x")) WaitUntil([] { return false; }, std::chrono::milliseconds(10));
  });
  EXPECT_THAT(slow->ReadAnswer(), StartsWith("HTTP/1.1 408 "));
  EXPECT_TRUE(slow->WaitForClose());
  trickle.join();
  EXPECT_TRUE(silent->WaitForClose()) << "who said nothing is told nothing";
  EXPECT_EQ(Refused("header_deadline"), 1);
}

TEST_F(HttpServerCrowdTest, TellsWhoSendsItsBodyTooSlowly) {
  server.options.body_deadline = Millis(150);
  server.Start();
  for (const char* kind : {"Content-Length: 8000000", "Transfer-Encoding: chunked"}) {
    const auto slow = Connect();
    slow->Send(fmt::format("POST /echo HTTP/1.1\r\n{}\r\n\r\n1000\r\nabc", kind));
    EXPECT_THAT(slow->ReadAnswer(), StartsWith("HTTP/1.1 408 ")) << kind;
    EXPECT_TRUE(slow->WaitForClose());
  }
  EXPECT_EQ(Refused("body_deadline"), 2);
}

TEST_F(HttpServerCrowdTest, LetsGoOfWhoDoesNotReadItsAnswer) {
  server.options.write_deadline = Millis(150);
  server.options.threads = 1;
  server.options.doors_kept = 0;
  server.Route("GET", "/huge", [](const HttpRequest&) {
    return TextResponse(200, std::string(64 * 1024 * 1024, 'x'));
  });
  server.Start();
  RawClient greedy(server.address(), 4096);
  greedy.Send("GET /huge HTTP/1.1\r\n\r\n");
  // There is one door: who comes next is served because the greedy one was let go.
  EXPECT_THAT(Connect()->Ask(kHello), HasSubstr("hello"));
}

TEST_F(HttpServerCrowdTest, ForgetsConnectionsThatAreGone) {
  server.Start();
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(Connect()->Ask("GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n"),
                HasSubstr("hello"));
  }
  EXPECT_EQ(Refused("address_connections"), 0);
  EXPECT_TRUE(WaitUntil([&] { return server.Metric("fettle_http_connections", {}) == 0; }));
}

TEST_F(HttpServerCrowdTest, ForgetsWhoNeverAsked) {
  server.Start();
  for (int i = 0; i < 30; ++i) Connect()->EndSending();
  EXPECT_TRUE(WaitUntil([&] { return Connect()->Ask(kHello).ends_with("hello\n"); }));
  EXPECT_TRUE(WaitUntil([&] { return server.Metric("fettle_http_connections", {}) == 0; }));
}

TEST_F(HttpServerCrowdTest, StopsAtOnceWhenConnectionsOnlyRest) {
  server.options.keep_alive = Millis(20'000);
  server.options.header_deadline = Millis(20'000);
  server.Start();
  const auto resting = Connect();
  EXPECT_THAT(resting->Ask(kHello), HasSubstr("hello"));
  const auto silent = Connect();
  EXPECT_TRUE(WaitUntil([&] { return server.Metric("fettle_http_connections", {}) == 2; }));
  const auto before = std::chrono::steady_clock::now();
  server.Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(1'500));
  EXPECT_TRUE(resting->WaitForClose());
  EXPECT_TRUE(silent->WaitForClose());
}

TEST_F(HttpServerCrowdTest, FinishesWhatHasBegunBeforeItStops) {
  server.Start();
  const auto client = Wait();
  std::thread stopping([&] { server.Stop(); });
  gate.Open();
  EXPECT_THAT(client->ReadAnswer(), HasSubstr("waited"));
  stopping.join();
}

TEST_F(HttpServerCrowdTest, ServesManyAtOnceAndCountsEveryOne) {
  server.options.connections_per_address_max = 64;
  server.Start();
  HttpClient client;
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const auto response = client.Send(Post(server.url() + "/echo", "x"), {});
        if (response && response->body == "x") ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 400);
  EXPECT_EQ(server.Metric("fettle_http_requests_total", {{"code", "200"}, {"handler", "/echo"}}),
            400);
}

}  // namespace
}  // namespace fettle
