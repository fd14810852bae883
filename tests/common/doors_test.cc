// The ledger of connections, told by hand what a server would see.
#include "common/doors.h"

#include <gmock/gmock.h>

#include <vector>

namespace fettle {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Entry = Doors::Entry;
using Peer = Doors::Peer;
using std::chrono::milliseconds;

constexpr std::uint32_t kA = 0x0A000001;
constexpr std::uint32_t kB = 0x0A000002;

using Ports = std::vector<std::uint16_t>;

class DoorsTest : public ::testing::Test {
 protected:
  // A connection whose descriptor is its port.
  Doors::Arrival Arrive(std::uint32_t address, std::uint16_t port) {
    return doors.Arrive({address, port}, port, now);
  }
  void AnswerAndRest(std::uint32_t address, std::uint16_t port) {
    doors.BeginRequest({address, port});
    doors.BeginAnswer({address, port}, now);
    doors.Rest({address, port}, now);
  }
  void Pass(Millis time) { now += time; }
  std::vector<int> Overdue() {
    std::vector<int> fds;
    for (const Doors::Overdue& overdue : doors.TakeOverdue(now)) fds.push_back(overdue.fd);
    return fds;
  }

  Doors doors{{.threads = 6,
               .kept = 2,
               .per_address_max = 3,
               .head = Millis(5'000),
               .crowded_head = Millis(1'000),
               .body = Millis(30'000),
               .writing = Millis(60'000)}};
  BootTime now{std::chrono::hours(1)};
};

TEST_F(DoorsTest, WelcomesUpToTheLimitOfAnAddress) {
  for (const std::uint16_t port : Ports({1, 2, 3})) {
    EXPECT_EQ(Arrive(kA, port).entry, Entry::kWelcome);
    EXPECT_EQ(doors.BeginRequest({kA, port}), Entry::kWelcome);
  }
  EXPECT_EQ(Arrive(kA, 4).entry, Entry::kRefused);
  EXPECT_EQ(doors.BeginRequest({kA, 4}), Entry::kRefused);
  EXPECT_EQ(Arrive(kB, 5).entry, Entry::kWelcome) << "another address is not meant";
  EXPECT_EQ(doors.Open(), 4) << "the refused one takes no place";
}

TEST_F(DoorsTest, GivesAnIdlePlaceToANewcomerOfTheSameAddress) {
  for (const std::uint16_t port : Ports({1, 2, 3})) {
    Arrive(kA, port);
    AnswerAndRest(kA, port);
    Pass(Millis(10));
  }
  doors.BeginRequest({kA, 1});
  const Doors::Arrival arrival = Arrive(kA, 4);
  EXPECT_EQ(arrival.entry, Entry::kWelcome);
  EXPECT_EQ(arrival.shut, 2) << "the one that rests longest; 1 is at work";
  EXPECT_FALSE(doors.MayStay({kA, 2})) << "a request that was under way is its last";
  EXPECT_TRUE(doors.MayStay({kA, 3}));
  EXPECT_EQ(Arrive(kA, 5).shut, 3);
  EXPECT_EQ(Arrive(kA, 6).entry, Entry::kRefused) << "nobody rests any more";
}

TEST_F(DoorsTest, KeepsSomeDoorsForWhatMustGetThrough) {
  for (const std::uint16_t port : Ports({1, 2})) Arrive(kA, port);
  for (const std::uint16_t port : Ports({3, 4})) Arrive(kB, port);
  for (const std::uint16_t port : Ports({1, 2})) doors.BeginRequest({kA, port});
  for (const std::uint16_t port : Ports({3, 4})) doors.BeginRequest({kB, port});
  EXPECT_EQ(Arrive(kA, 5).entry, Entry::kOnlyKept);
  EXPECT_EQ(doors.BeginRequest({kA, 5}), Entry::kOnlyKept);
  doors.Rest({kA, 5}, now);
  doors.Leave({kB, 3});
  EXPECT_EQ(doors.BeginRequest({kA, 5}), Entry::kWelcome) << "the crowd is gone";
}

TEST_F(DoorsTest, GivesAnyIdlePlaceToWhoeverComesWhenDoorsAreTaken) {
  Arrive(kA, 1);
  AnswerAndRest(kA, 1);
  for (const std::uint16_t port : Ports({2, 3, 4})) {
    Arrive(kB, port);
    doors.BeginRequest({kB, port});
  }
  const Doors::Arrival arrival = Arrive(kA, 5);
  EXPECT_EQ(arrival.entry, Entry::kWelcome);
  EXPECT_EQ(arrival.shut, 1);
}

TEST_F(DoorsTest, LetsNobodyRestWhileSomebodyMayWaitForAThread) {
  for (const std::uint16_t port : Ports({1, 2, 3})) Arrive(kA, port);
  EXPECT_TRUE(doors.MayStay({kA, 1}));
  Arrive(kB, 4);
  EXPECT_FALSE(doors.MayStay({kA, 1}));
}

TEST_F(DoorsTest, TellsEachOverdueConnectionOnce) {
  Arrive(kA, 1);
  Pass(Millis(4'999));
  EXPECT_THAT(Overdue(), IsEmpty());
  EXPECT_EQ(doors.NextDeadline(), now + milliseconds(1));
  Pass(Millis(1));
  EXPECT_THAT(Overdue(), ElementsAre(1));
  EXPECT_TRUE(doors.IsOverdue({kA, 1}, now));
  Pass(Millis(100'000));
  EXPECT_THAT(Overdue(), IsEmpty());
  EXPECT_EQ(doors.NextDeadline(), std::nullopt);
}

TEST_F(DoorsTest, GivesEachStateItsTime) {
  Arrive(kA, 1);
  doors.BeginRequest({kA, 1});
  doors.BeginBody({kA, 1}, now);
  Pass(Millis(29'999));
  EXPECT_THAT(Overdue(), IsEmpty());
  doors.BeginHandler({kA, 1});
  Pass(Millis(1'000'000));
  EXPECT_THAT(Overdue(), IsEmpty()) << "a handler answers for its own time";
  doors.BeginAnswer({kA, 1}, now);
  Pass(Millis(60'000));
  const std::vector<Doors::Overdue> overdue = doors.TakeOverdue(now);
  ASSERT_EQ(overdue.size(), 1U);
  EXPECT_TRUE(overdue[0].reader);
  doors.Rest({kA, 1}, now);
  Pass(Millis(1'000'000));
  EXPECT_THAT(Overdue(), IsEmpty()) << "resting is civetweb's to end";
}

TEST_F(DoorsTest, HurriesWhoEntersByAKeptDoor) {
  for (const std::uint16_t port : Ports({1, 2})) Arrive(kA, port);
  for (const std::uint16_t port : Ports({3, 4})) Arrive(kB, port);
  ASSERT_EQ(Arrive(kB, 5).entry, Entry::kOnlyKept);
  Pass(Millis(1'000));
  EXPECT_THAT(Overdue(), ElementsAre(5));
}

TEST_F(DoorsTest, TouchesNoDescriptorOfWhoLeaves) {
  Arrive(kA, 1);
  EXPECT_EQ(doors.DescriptorOf({kA, 1}), 1);
  doors.Leave({kA, 1});
  EXPECT_EQ(doors.DescriptorOf({kA, 1}), -1);
  EXPECT_EQ(doors.Open(), 0);
  Pass(Millis(100'000));
  EXPECT_THAT(Overdue(), IsEmpty());
  EXPECT_THAT(doors.Waiting(), IsEmpty());
  EXPECT_TRUE(doors.Knows({kA, 1})) << "until it is forgotten, its open socket is no newcomer";
  doors.Forget({kA, 1});
  EXPECT_FALSE(doors.Knows({kA, 1}));
}

TEST_F(DoorsTest, ForgetsWhomNobodySeesAnyMore) {
  Arrive(kA, 1);
  Arrive(kA, 2);
  doors.ForgetAllBut({{kA, 2}});
  EXPECT_FALSE(doors.Knows({kA, 1}));
  EXPECT_TRUE(doors.Knows({kA, 2}));
}

TEST_F(DoorsTest, SaysWhoOnlyWaits) {
  Arrive(kA, 1);
  Arrive(kA, 2);
  doors.BeginRequest({kA, 2});
  Arrive(kB, 3);
  AnswerAndRest(kB, 3);
  EXPECT_THAT(doors.Waiting(), UnorderedElementsAre(1, 3));
}

TEST_F(DoorsTest, IsCalmAboutStrangers) {
  EXPECT_EQ(doors.BeginRequest({kA, 9}), Entry::kWelcome);
  EXPECT_TRUE(doors.MayStay({kA, 9}));
  EXPECT_FALSE(doors.IsOverdue({kA, 9}, now));
  EXPECT_EQ(doors.DescriptorOf({kA, 9}), -1);
  doors.BeginBody({kA, 9}, now);
  doors.Rest({kA, 9}, now);
  doors.Leave({kA, 9});
  EXPECT_EQ(doors.Open(), 0);
}

}  // namespace
}  // namespace fettle
