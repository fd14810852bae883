#include "exporter/collectors/probe.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "common/dial.h"
#include "exporter/collectors/probe_kinds.h"
#include "tests/support/fake_transport.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"

namespace fettle::exporter {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

// Answers as the test says.
class Scripted final : public Probe {
 public:
  explicit Scripted(Status& answer) : answer_(answer) {}
  ProbeAnswer Try(Millis) override { return answer_; }

 private:
  Status& answer_;
};

class ProbeCollectorTest : public testing::Test {
 protected:
  double Value(std::string_view name) {
    const auto families = collector_.Collect({clock_.Now(), clock_.Now().boot + 5s});
    for (const MetricFamily& family : *families) {
      if (family.name == name) return family.points.at(0).value;
    }
    return -1;
  }
  double Up() { return Value("fettle_probe_up"); }

  ManualClock clock_;
  RecordedLog log_;
  Status answer_;
  ProbeCollector collector_{{.name = "web", .kind = "http", .interval = 10s, .failures = 2},
                            std::make_unique<Scripted>(answer_),
                            clock_,
                            log_.For("probe")};
};

TEST_F(ProbeCollectorTest, IsDownAfterConsecutiveFailuresAndUpAfterOneSuccess) {
  EXPECT_EQ(Up(), 1);
  answer_ = Fail("connect: refused");
  EXPECT_EQ(Up(), 1);
  EXPECT_THAT(log_.Lines(), IsEmpty());
  EXPECT_EQ(Up(), 0);
  EXPECT_TRUE(log_.Contains("connect: refused"));
  EXPECT_EQ(Value("fettle_probe_consecutive_failures"), 3);
  answer_ = Status{};
  EXPECT_EQ(Up(), 1);
  EXPECT_EQ(Value("fettle_probe_consecutive_failures"), 0);
}

TEST_F(ProbeCollectorTest, ASuccessBetweenFailuresStartsTheCountAgain) {
  answer_ = Fail("no");
  EXPECT_EQ(Up(), 1);
  answer_ = Status{};
  EXPECT_EQ(Up(), 1);
  answer_ = Fail("no");
  EXPECT_EQ(Up(), 1);
}

TEST_F(ProbeCollectorTest, ConfirmsAFirstFailureAtOnceAndOnlyThat) {
  Up();
  EXPECT_EQ(collector_.AgainIn(), 0ms);
  answer_ = Fail("no");
  Up();
  EXPECT_EQ(collector_.AgainIn(), ProbeConfig::kConfirmAfter);
  Up();
  EXPECT_EQ(collector_.AgainIn(), 0ms);
}

TEST(HttpProbeTest, ChecksStatusAndBody) {
  FakeTransport transport;
  transport.AnswerWith([](const HttpRequest&) { return HttpResponse{204, {}, "all is well"}; });
  const HttpProbeConfig any{.url = "http://web/healthz"};
  EXPECT_TRUE(MakeHttpProbe(any, transport)->Try(1s).health);
  HttpProbeConfig exact = any;
  exact.expect_status = {200};
  EXPECT_EQ(MakeHttpProbe(exact, transport)->Try(1s).health.error().message,
            "it answered with status 204");
  HttpProbeConfig body = any;
  body.expect_body = "sick";
  EXPECT_EQ(MakeHttpProbe(body, transport)->Try(1s).health.error().message,
            "its answer does not contain \"sick\"");
  EXPECT_EQ(transport.Sent().at(0).url, "http://web/healthz");
  EXPECT_EQ(transport.Options().at(0).timeout, 1s);
}

TEST(HttpProbeTest, AnUnreachableServerIsTheReason) {
  FakeTransport transport;
  transport.AnswerWith([](const HttpRequest&) -> Result<HttpResponse> {
    return Fail(Cause::kUnavailable, "connecting to web: refused");
  });
  EXPECT_EQ(MakeHttpProbe({.url = "http://web/"}, transport)->Try(1s).health.error().message,
            "connecting to web: refused");
}

// A listener on a port the kernel chose, which says one thing to whoever comes first.
class Listener {
 public:
  explicit Listener(std::string says) {
    fd_ = UniqueFd(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_.get(), 4), 0);
    getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this, says = std::move(says)] {
      const UniqueFd peer(accept(fd_.get(), nullptr, nullptr));
      if (peer) (void)!write(peer.get(), says.data(), says.size());
      // Until the peer hangs up.
      char byte = 0;
      while (peer && read(peer.get(), &byte, 1) > 0) {
      }
    });
  }
  ~Listener() { shutdown(fd_.get(), SHUT_RDWR); }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  UniqueFd fd_;
  int port_ = 0;
  std::jthread thread_;
};

TEST(TcpProbeTest, ConnectsAndListens) {
  const SystemClock clock;
  Listener silent("");
  EXPECT_TRUE(MakeTcpProbe({.address = silent.address()}, clock)->Try(5s).health);
  Listener smtp("220 mail ready\r\n");
  EXPECT_TRUE(MakeTcpProbe({.address = smtp.address(), .expect = "220 "}, clock)->Try(5s).health);
}

TEST(TcpProbeTest, SaysWhatItMissed) {
  const SystemClock clock;
  Listener silent("");
  EXPECT_EQ(MakeTcpProbe({.address = silent.address(), .expect = "220 "}, clock)
                ->Try(50ms)
                .health.error()
                .message,
            "it did not say \"220 \" in time");
  std::string closed;
  {
    Listener gone("");
    closed = gone.address();
  }
  const ProbeAnswer answer = MakeTcpProbe({.address = closed}, clock)->Try(5s);
  ASSERT_FALSE(answer.health);
  EXPECT_EQ(answer.health.error().cause, Cause::kUnavailable);
}

TEST(ExecProbeTest, JudgesByExitCodeAndGivesOnlyTheWrittenEnvironment) {
  EXPECT_TRUE(MakeExecProbe({.command = {"true"}})->Try(5s).health);
  EXPECT_TRUE(MakeExecProbe({.command = {"/bin/sh", "-c", "test \"$X\" = 1 && test -z \"$HOME\""},
                             .environment = {{"X", "1"}}})
                  ->Try(5s)
                  .health);
  const ProbeAnswer answer =
      MakeExecProbe({.command = {"/bin/sh", "-c", "echo broken >&2; exit 3"}})->Try(5s);
  ASSERT_FALSE(answer.health);
  EXPECT_THAT(answer.health.error().message, HasSubstr("broken"));
  EXPECT_EQ(MakeExecProbe({.command = {"sleep", "60"}})->Try(50ms).health.error().cause,
            Cause::kTimeout);
}

class ProbeConfigTest : public testing::Test {
 protected:
  // The probes of a text, and what is wrong with it.
  std::vector<ProbeConfig> Read(std::string_view text) {
    const auto node = yaml::Load(text, "fettle.yml", complaints_);
    std::vector<ProbeConfig> probes;
    {
      yaml::Mapping mapping(*node, "exporter", complaints_);
      probes = ReadProbeConfigs(mapping, connections_, 15s);
    }
    return probes;
  }
  Connections connections_ = [] {
    Connections connections;
    connections.postgres["leads"].dsn = Secret::FromText("dbname=leads");
    return connections;
  }();
  yaml::Complaints complaints_;
};

TEST_F(ProbeConfigTest, ReadsEveryKind) {
  const std::vector<ProbeConfig> probes = Read(R"(
health:
- {name: web, http: {url: "http://web:8080/healthz", expect_status: [200]}, interval: 1s, timeout: 500ms, failures: 3}
- {name: smtp, tcp: {address: "mail:25", expect: "220 "}}
- {name: site, tls: {address: "example.org:443"}}
- {name: disk, exec: {command: [/bin/true]}}
- {name: db, postgres: {connection: leads, query: "select 1"}}
)");
  EXPECT_EQ(complaints_.ToString(), "");
  ASSERT_EQ(probes.size(), 5U);
  EXPECT_EQ(probes[0].kind, "http");
  EXPECT_EQ(probes[0].interval, 1s);
  EXPECT_EQ(probes[0].timeout, 500ms);
  EXPECT_EQ(probes[0].failures, 3);
  EXPECT_EQ(probes[1].interval, 15s);
  EXPECT_EQ(probes[4].kind, "postgres");
}

TEST_F(ProbeConfigTest, ComplainsAboutEverythingAtOnce) {
  Read(R"(health:
- {name: web, http: {url: "web:8080"}}
- {name: web, tcp: {address: "mail"}}
- {name: db, postgres: {connection: lead}}
- {name: none, interval: 1ms}
- {name: two, exec: {command: []}, tcp: {adress: "a:1"}}
)");
  const std::string all = complaints_.ToString();
  EXPECT_THAT(all, HasSubstr("url \"web:8080\" does not begin with http:// or https://"));
  EXPECT_THAT(all, HasSubstr("health has two probes named \"web\""));
  EXPECT_THAT(all, HasSubstr("there is no connection named \"lead\", did you mean \"leads\"?"));
  EXPECT_THAT(all, HasSubstr("interval must be at least 100ms"));
  EXPECT_THAT(all, HasSubstr("fettle.yml:5:3: exporter.health: a probe needs exactly one of"));
  EXPECT_THAT(all, HasSubstr("\"command\" is missing"));
  EXPECT_THAT(all, HasSubstr("did you mean \"address\"?"));
}

}  // namespace
}  // namespace fettle::exporter
