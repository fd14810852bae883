// Dialling. Goal: an address that cannot be reached is told as such within the deadline, and one
// that is no address at once.
#include "common/dial.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/deadline.h"

namespace fettle {
namespace {

// A socket that listens on loopback, and its port.
struct Listener {
  UniqueFd fd{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  int port = 0;
  Listener() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd.get(), 4), 0);
    getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
  }
};

TEST(DialTest, ReadsHostAndPort) {
  EXPECT_EQ(ParseHostPort("db:5432")->host, "db");
  EXPECT_EQ(ParseHostPort("db:5432")->port, "5432");
  EXPECT_EQ(ParseHostPort("[::1]:6379")->host, "::1");
  for (const std::string bad : {"db", "db:", ":5432", "::1:6379", "[]:1", ""}) {
    const auto parsed = ParseHostPort(bad);
    ASSERT_FALSE(parsed.has_value()) << bad;
    EXPECT_EQ(parsed.error().cause, Cause::kInvalid);
    EXPECT_NE(parsed.error().message.find("is not host:port"), std::string::npos);
  }
}

TEST(DialTest, ReachesWhoListensByAddressAndByName) {
  const Listener listener;
  EXPECT_TRUE(Dial("127.0.0.1:" + std::to_string(listener.port), Millis(2'000)).has_value());
  EXPECT_TRUE(Dial("localhost:" + std::to_string(listener.port), Millis(2'000)).has_value());
}

TEST(DialTest, SaysWhyNobodyWasReached) {
  int port = 0;
  { port = Listener().port; }
  const auto refused = Dial("127.0.0.1:" + std::to_string(port), Millis(2'000));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().cause, Cause::kUnavailable);
  EXPECT_EQ(refused.error().message,
            "connecting to 127.0.0.1:" + std::to_string(port) + ": Connection refused");
  EXPECT_EQ(Dial("/no/such.sock", Millis(1'000)).error().cause, Cause::kUnavailable);
  EXPECT_EQ(Dial("/" + std::string(200, 'x'), Millis(1'000)).error().cause, Cause::kInvalid);
  EXPECT_EQ(Dial("127.0.0.1", Millis(1'000)).error().cause, Cause::kInvalid);
}

TEST(DialTest, TellsAnUnknownNameFromAHangingOne) {
  const auto unknown = ResolveHost("no-such-host.invalid", Millis(20'000));
  ASSERT_FALSE(unknown.has_value());
  // Without a resolver at all the answer is that it cannot be asked.
  EXPECT_TRUE(unknown.error().cause == Cause::kNotFound ||
              unknown.error().cause == Cause::kUnavailable)
      << unknown.error().message;
  EXPECT_EQ(ResolveHost("127.0.0.1", Millis(0))->front(), "127.0.0.1");
  EXPECT_EQ(ResolveHost("::1", Millis(0))->front(), "::1");
}

TEST(DialTest, GivesUpAtTheDeadline) {
  // A listener whose queue is full does not answer.
  const Listener listener;
  listen(listener.fd.get(), 0);
  std::vector<UniqueFd> queue;
  const std::string address = "127.0.0.1:" + std::to_string(listener.port);
  Result<UniqueFd> last = Fail("never dialled");
  for (int i = 0; i < 8; ++i) {
    const Deadline deadline(Millis(5'000));
    last = Dial(address, Millis(100));
    EXPECT_FALSE(deadline.Passed());
    if (!last) break;
    queue.push_back(*std::move(last));
  }
  ASSERT_FALSE(last.has_value());
  EXPECT_EQ(last.error().cause, Cause::kTimeout);
}

}  // namespace
}  // namespace fettle
