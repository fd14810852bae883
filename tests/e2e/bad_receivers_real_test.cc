// Receivers that misbehave in every way there is, beside one that does not. Goal: nobody waits for
// another, and whoever comes to his senses is told what he missed.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <set>

#include "tests/support/drop_in.h"
#include "tests/support/post_box.h"
#include "tests/support/raw_server.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

using namespace std::chrono_literals;

std::atomic<bool> well{false};

// The bodies that were answered well, by the name of the receiver.
class Heard {
 public:
  void Add(const std::string& who) {
    const std::lock_guard lock(mutex_);
    who_.insert(who);
  }
  bool All(const std::set<std::string>& names) const {
    const std::lock_guard lock(mutex_);
    return who_ == names;
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::string> who_;
};

// Misbehaves until all is well; then answers like anybody.
RawServer::Script Patient(const std::string& name, Heard& heard, const RawServer::Script& ill) {
  return [name, &heard, ill](RawServer::Connection& connection) {
    if (!well) return ill(connection);
    while (!connection.ReadRequest().empty()) {
      heard.Add(name);
      connection.Write(RawServer::Ok("ok"));
    }
  };
}

// To one request; the next one comes over another connection, and may find it well.
RawServer::Script Once(const std::string& answer) {
  return [answer](RawServer::Connection& connection) {
    (void)connection.ReadRequest();
    connection.Write(answer);
  };
}

std::string Answer(const std::string& status) {
  return "HTTP/1.1 " + status + "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
}

TEST(BadReceiversRealTest, NoneDelaysAnotherAndNothingIsLost) {
  well = false;
  Heard heard;
  const std::map<std::string, RawServer::Script> ills = {
      {"hangs", [](RawServer::Connection& c) { c.WaitForClose(); }},
      {"resets",
       [](RawServer::Connection& c) {
         (void)c.ReadRequest();
         c.Reset();
       }},
      {"429", Once(Answer("429 Too Many Requests"))},
      {"500", Once(Answer("500 Oops"))},
      {"garbage", Once("\x16\x03\x01 this is no HTTP\r\n\r\n")},
      {"trickles",
       [](RawServer::Connection& c) {
         (void)c.ReadRequest();
         c.Write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
         for (int i = 0; i < 50 && !well; ++i) {
           c.Write("x");
           (void)WaitUntil([] { return well.load(); }, 100ms);
         }
         c.Reset();
       }},
  };
  const PostBox box;
  std::vector<std::unique_ptr<RawServer>> servers;
  std::set<std::string> names;
  std::string routes;
  std::string receivers = "- {name: good, webhook_configs: [{url: '" + box.url() + "/team'}]}\n";
  for (const auto& [name, ill] : ills) {
    servers.push_back(std::make_unique<RawServer>(Patient(name, heard, ill)));
    names.insert(name);
    routes += "  - {receiver: '" + name + "', continue: true}\n";
    receivers +=
        "- {name: '" + name + "', webhook_configs: [{url: '" + servers.back()->Url() + "'}]}\n";
  }
  const DropIn one(DropIn::Kind::kFettle,
                   "route:\n  receiver: good\n  group_by: [alertname]\n  group_wait: 0s\n"
                   "  group_interval: 1s\n  routes:\n" +
                       routes + "  - {receiver: good}\nreceivers:\n" + receivers);
  // The good one hears of each at once, while the others are being told of more and more.
  constexpr std::size_t kAlerts = 4;
  for (std::size_t i = 0; i < kAlerts; ++i) {
    EXPECT_EQ(
        one.Post("/api/v2/alerts", "[{\"labels\":{\"alertname\":\"A" + std::to_string(i) + "\"}}]")
            .status,
        200);
    EXPECT_TRUE(WaitUntil([&] { return box.CountAt("/team") == i + 1; })) << i;
  }
  well = true;
  EXPECT_TRUE(WaitUntil([&] { return heard.All(names); }, 120s));
  EXPECT_EQ(box.CountAt("/team"), kAlerts) << "nobody is told twice for another's sake";
}

}  // namespace
}  // namespace fettle
