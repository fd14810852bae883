#include "common/hands.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace fettle {
namespace {

TEST(HandPoolTest, DoesTheWork) {
  std::atomic<int> done = 0;
  std::promise<void> all;
  HandPool pool({.name = "test", .threads = 4});
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(pool.Do([&] {
      if (++done == 100) all.set_value();
    }));
  }
  all.get_future().wait();
  EXPECT_EQ(done, 100);
}

TEST(HandPoolTest, RefusesWhenItsQueueIsFull) {
  std::promise<void> go;
  std::promise<void> begun;
  HandPool pool({.name = "test", .threads = 1, .queue_max = 1});
  ASSERT_TRUE(pool.Do([&, gate = go.get_future().share()] {
    begun.set_value();
    gate.wait();
  }));
  begun.get_future().wait();
  EXPECT_TRUE(pool.Do([] {}));
  EXPECT_FALSE(pool.Do([] {}));
  EXPECT_EQ(pool.Busy(), 2U);
  go.set_value();
}

TEST(HandPoolTest, FinishesWhatHasBegunWhenItEnds) {
  std::atomic<bool> finished = false;
  std::promise<void> begun;
  std::promise<void> go;
  std::jthread later;
  {
    HandPool pool({.name = "test", .threads = 1});
    ASSERT_TRUE(pool.Do([&, gate = go.get_future().share()] {
      begun.set_value();
      gate.wait();
      finished = true;
    }));
    begun.get_future().wait();
    later = std::jthread([&] { go.set_value(); });
  }
  EXPECT_TRUE(finished);
}

TEST(HandPoolTest, TakesNothingOnceClosed) {
  HandPool pool({.name = "test", .threads = 2});
  pool.Close();
  EXPECT_FALSE(pool.Do([] {}));
  pool.Close();
}

}  // namespace
}  // namespace fettle
