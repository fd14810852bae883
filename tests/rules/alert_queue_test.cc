#include "rules/alert_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fettle::rules {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const Time kNow = TimeFromMillis(1'000'000);

// "name" fires until `end` milliseconds from now, or ended by then; `note` tells words apart.
std::shared_ptr<const Alert> Word(const std::string& name, int end, const std::string& note = "") {
  Alert alert{.labels = {{"alertname", name}}, .annotations = {{"note", note}}};
  alert.ends_at = kNow + Millis(end);
  return std::make_shared<const Alert>(std::move(alert));
}

std::vector<std::string> Names(const std::vector<AlertQueue::Waiting>& alerts) {
  std::vector<std::string> names;
  for (const AlertQueue::Waiting& waiting : alerts) {
    names.push_back(std::string(waiting.alert->labels.Get("alertname")) +
                    std::string(waiting.alert->annotations.Get("note")) +
                    (waiting.resolved ? " over" : ""));
  }
  return names;
}

TEST(AlertQueueTest, ANewerWordTakesThePlaceOfTheOlder) {
  AlertQueue queue(10);
  queue.Push(Word("a", 100, "1"), kNow);
  queue.Push(Word("b", 100), kNow);
  queue.Push(Word("a", 100, "2"), kNow);
  EXPECT_THAT(Names(queue.Take(10, kNow).alerts), ElementsAre("a2", "b"));
}

TEST(AlertQueueTest, ButNotOfOneInAnotherState) {
  AlertQueue queue(10);
  queue.Push(Word("a", 100, "1"), kNow);
  queue.Push(Word("a", 0, "2"), kNow);
  queue.Push(Word("a", 100, "3"), kNow);
  EXPECT_THAT(Names(queue.Take(10, kNow).alerts), ElementsAre("a1", "a2 over", "a3"));
}

TEST(AlertQueueTest, TheOldestAreDropped) {
  AlertQueue queue(2);
  EXPECT_EQ(queue.Push(Word("a", 100), kNow), 0U);
  EXPECT_EQ(queue.Push(Word("b", 100), kNow), 0U);
  EXPECT_EQ(queue.Push(Word("c", 100), kNow), 1U);
  EXPECT_EQ(queue.Push(Word("a", 100), kNow), 1U);
  EXPECT_THAT(Names(queue.Take(10, kNow).alerts), ElementsAre("c", "a"));
}

TEST(AlertQueueTest, WhatWasTakenComesBackInFrontUnlessSaidAnew) {
  AlertQueue queue(10);
  for (const char* name : {"a", "b", "c"}) queue.Push(Word(name, 100, "1"), kNow);
  AlertQueue::Taken taken = queue.Take(2, kNow);
  queue.Push(Word("a", 100, "2"), kNow);
  queue.Push(Word("b", 0), kNow);
  queue.GiveBack(std::move(taken.alerts));
  EXPECT_THAT(Names(queue.Take(10, kNow).alerts), ElementsAre("b1", "c1", "a2", "b over"));
  EXPECT_THAT(Names(queue.Take(10, kNow).alerts), IsEmpty());
}

TEST(AlertQueueTest, AFiringAlertWhoseEndHasComeIsLeftOut) {
  AlertQueue queue(10);
  queue.Push(Word("a", 100), kNow);
  queue.Push(Word("b", 0), kNow);
  const AlertQueue::Taken taken = queue.Take(10, kNow + Millis(200));
  EXPECT_THAT(Names(taken.alerts), ElementsAre("b over"));
  EXPECT_EQ(taken.expired, 1U);
}

}  // namespace
}  // namespace fettle::rules
