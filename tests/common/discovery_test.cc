#include "common/discovery.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <thread>

#include "common/dial.h"

namespace fettle {
namespace {

using testing::ElementsAre;
using Kind = NameLookup::Kind;

class FakeNames final : public NameLookup {
 public:
  Result<std::vector<Answer>> Find(const std::string& name, Kind kind) const override {
    if (name == "gone") return Fail(Cause::kNotFound, "no host is named gone");
    if (name == "down") return Fail(Cause::kUnavailable, "no answer");
    if (kind == Kind::kSrv) return std::vector<Answer>{{"a.example", 9093}, {"b.example", 9094}};
    return std::vector<Answer>{{"10.0.0.1"}, {"fe80::1"}};
  }
};

std::vector<std::string> Lines(const Result<std::vector<TargetGroup>>& groups) {
  std::vector<std::string> lines;
  if (!groups) return {"error: " + groups.error().message};
  for (const TargetGroup& group : *groups) {
    for (const Labels& labels : group.Whole()) lines.push_back(labels.ToString());
  }
  return lines;
}

TEST(DiscoveryTest, NamesBecomeTargets) {
  const FakeNames names;
  EXPECT_THAT(
      Lines(MakeDnsDiscoverer({.names = {"_am._tcp", "gone"}}, names)->Find()),
      ElementsAre(
          R"({__address__="a.example:9093", __meta_dns_name="_am._tcp", __meta_dns_srv_record_port="9093", __meta_dns_srv_record_target="a.example."})",
          R"({__address__="b.example:9094", __meta_dns_name="_am._tcp", __meta_dns_srv_record_port="9094", __meta_dns_srv_record_target="b.example."})"));
  EXPECT_THAT(
      Lines(MakeDnsDiscoverer({.names = {"x"}, .kind = Kind::kA, .port = 80}, names)->Find()),
      ElementsAre(R"({__address__="10.0.0.1:80", __meta_dns_name="x"})",
                  R"({__address__="[fe80::1]:80", __meta_dns_name="x"})"));
  EXPECT_THAT(Lines(MakeDnsDiscoverer({.names = {"down"}}, names)->Find()),
              ElementsAre("error: no answer"));
}

// One question over UDP, answered with the question and these records.
class DnsServer {
 public:
  explicit DnsServer(std::string records, int count)
      : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this, records = std::move(records), count] { Serve(records, count); });
  }
  int port() const { return port_; }

 private:
  void Serve(const std::string& records, int count) const {
    char question[512];
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const ssize_t length = recvfrom(fd_.get(), question, sizeof question, 0,
                                    reinterpret_cast<sockaddr*>(&from), &size);
    if (length < 12) return;
    std::string answer(question, static_cast<std::size_t>(length));
    answer[2] = '\x81';  // an answer, with recursion
    answer[3] = '\x80';
    answer[7] = static_cast<char>(count);
    answer[11] = 0;
    answer += records;
    sendto(fd_.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
  }
  UniqueFd fd_;
  int port_ = 0;
  std::jthread thread_;
};

// A record of the name asked for; `data` is its text.
std::string Record(char type, std::string data) {
  std::string record("\xc0\x0c\0", 3);
  record += type;
  record += std::string("\0\x01\0\0\0\x3c\0", 7);
  record += static_cast<char>(data.size());
  return record + data;
}

TEST(DiscoveryTest, TheResolverReadsServicesAndAddresses) {
  const std::string srv =
      std::string("\0\x01\0\x02\x23\x85\x01", 7) + "a" + "\x02" + "bc" + std::string("\0", 1);
  DnsServer services(Record('\x21', srv) + Record('\x01', std::string("\x0a\0\0\x01", 4)), 2);
  const auto found = SystemNameLookup(services.port()).Find("_am._tcp.example", Kind::kSrv);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_THAT(*found, ElementsAre(NameLookup::Answer{"a.bc", 9093}));
  DnsServer addresses(Record('\x01', std::string("\x0a\0\0\x01", 4)), 1);
  const auto address = SystemNameLookup(addresses.port()).Find("x.example", Kind::kA);
  ASSERT_TRUE(address.has_value()) << address.error().message;
  EXPECT_THAT(*address, ElementsAre(NameLookup::Answer{"10.0.0.1", 0}));
}

TEST(DiscoveryTest, FilesAreYamlOrJson) {
  EXPECT_THAT(Lines(ReadTargetFile("- targets: [a, 'b:1']\n  labels: {x: y}\n", "f.yml")),
              ElementsAre(R"({__address__="a", __meta_filepath="f.yml", x="y"})",
                          R"({__address__="b:1", __meta_filepath="f.yml", x="y"})"));
  EXPECT_THAT(Lines(ReadTargetFile(R"([{"targets": ["a"]}])", "f.json")),
              ElementsAre(R"({__address__="a", __meta_filepath="f.json"})"));
  EXPECT_THAT(Lines(ReadTargetFile("targets: [a]", "f")),
              ElementsAre("error: f:1:1: must be a list of {targets, labels}"));
  EXPECT_THAT(Lines(ReadTargetFile("- {target: [a]}", "f")),
              ElementsAre("error: f:1:4: unknown key \"target\", did you mean \"targets\"?"));
}

// An engine whose containers have networks and ports.
class Harbour final : public Engine {
 public:
  std::vector<Container> containers;
  std::vector<EngineNetwork> networks;

  const std::string& Name() const override { return name_; }
  Result<std::vector<Container>> List(const std::vector<std::string>& filters) override {
    if (filters.empty()) return containers;
    std::vector<Container> chosen;
    for (const Container& one : containers) {
      if (one.labels.contains(filters.front())) chosen.push_back(one);
    }
    return chosen;
  }
  Result<std::vector<EngineNetwork>> Networks() override { return networks; }
  Status Ping() override { return {}; }
  Result<Container> Inspect(const std::string&) override { return Fail("no"); }
  Result<ContainerStats> Stats(const std::string&) override { return Fail("no"); }
  Result<std::string> Logs(const std::string&, int, std::size_t) override { return Fail("no"); }
  Status Restart(const std::string&, int) override { return {}; }
  Status Start(const std::string&) override { return {}; }
  Status Stop(const std::string&, int) override { return {}; }
  Status Kill(const std::string&, const std::string&) override { return {}; }
  Result<std::string> ExecCreate(const std::string&, const std::vector<std::string>&) override {
    return Fail("no");
  }
  Result<ExecResult> ExecStart(const std::string&, Millis) override { return Fail("no"); }
  Result<ExecState> ExecInspect(const std::string&) override { return Fail("no"); }
  Status Follow(Time, const std::function<void()>&, const std::function<void(const EngineEvent&)>&,
                std::stop_token) override {
    return {};
  }

 private:
  const std::string name_ = "harbour";
};

std::unique_ptr<Harbour> MakeHarbour() {
  auto harbour = std::make_unique<Harbour>();
  harbour->networks = {{.id = "n1", .name = "shop", .scope = "local", .labels = {{"a.b", "c"}}}};
  Container web{.id = "1", .name = "web", .labels = {{"team", "x"}}, .network_mode = "shop"};
  web.state = ContainerState::kRunning;
  web.networks = {{"shop", "n1", "10.0.0.2"}, {"other", "n2", "10.1.0.2"}};
  web.ports = {{.private_port = 80, .public_port = 8080, .public_ip = "0.0.0.0"},
               {.private_port = 53, .tcp = false}};
  Container beside{.id = "2", .name = "beside", .network_mode = "container:1"};
  beside.state = ContainerState::kRunning;
  Container host{.id = "3", .name = "host", .network_mode = "host"};
  host.state = ContainerState::kRunning;
  host.networks = {{"host", "n3", ""}};
  Container over{.id = "4", .name = "over", .network_mode = "shop"};
  over.state = ContainerState::kExited;
  harbour->containers = {web, beside, host, over};
  return harbour;
}

TEST(DiscoveryTest, ContainersBecomeTargetsByNetworkAndPort) {
  const auto lines = Lines(MakeDockerDiscoverer({.port = 9100}, MakeHarbour())->Find());
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_THAT(lines[0], testing::AllOf(testing::HasSubstr(R"(__address__="10.1.0.2:80")"),
                                       testing::HasSubstr(R"(container_label_team="x")"),
                                       testing::HasSubstr(R"(container_name="/web")"),
                                       testing::HasSubstr(R"(network_name="other")"),
                                       testing::HasSubstr(R"(port_public="8080")"),
                                       testing::HasSubstr(R"(port_public_ip="0.0.0.0")")));
  EXPECT_THAT(lines[1], testing::HasSubstr(R"(__address__="10.1.0.2:9100")"));
  EXPECT_THAT(lines[2], testing::HasSubstr(R"(__address__="localhost")"));
}

TEST(DiscoveryTest, AllNetworksOrChosenContainersOnlyIfAskedFor) {
  const auto lines =
      Lines(MakeDockerDiscoverer({.match_first_network = false}, MakeHarbour())->Find());
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_THAT(lines[1], testing::AllOf(testing::HasSubstr(R"(__address__="10.0.0.2:80")"),
                                       testing::HasSubstr(R"(network_label_a_b="c")"),
                                       testing::HasSubstr(R"(network_scope="local")")));
  EXPECT_EQ(Lines(MakeDockerDiscoverer({.label_filters = {"team"}}, MakeHarbour())->Find()).size(),
            1U);
}

}  // namespace
}  // namespace fettle
