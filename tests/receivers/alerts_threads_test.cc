// The live set as the daemon runs it: many doors post at once, one brain folds, the disk is real.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "common/sqlite_store.h"
#include "receivers/alerts.h"
#include "tests/support/recorded_log.h"
#include "tests/support/temp_dir.h"

namespace fettle::receivers {
namespace {

using testing::SizeIs;

using namespace std::chrono_literals;

class Counting final : public AlertConsumer {
 public:
  void Consider(const LiveAlert&, const Moment&) override { ++heard; }
  std::atomic<int> heard{0};
};

// One life of the process.
struct Process {
  explicit Process(const TempDir& dir)
      : store(SqliteStore::Open({.clock = clock, .metrics = metrics, .log = log.For("store")},
                                {.directory = dir.path()})
                  .value()),
        alerts({brain, hands, *store, clock, metrics, log.For("alerts")}, {}) {
    EXPECT_TRUE(alerts.Restore(clock.Now()));
    alerts.Subscribe(consumer, clock.Now());
    thread = std::jthread([this](std::stop_token stop) { brain.Run(clock, std::move(stop)); });
  }
  ~Process() {
    thread.request_stop();
    thread.join();
  }
  SystemClock clock;
  Metrics metrics;
  RecordedLog log;
  Brain brain;
  HandPool hands{{.name = "fold", .threads = 2}};
  std::unique_ptr<SqliteStore> store;
  Counting consumer;
  Alerts alerts;
  std::jthread thread;
};

TEST(AlertsThreadsTest, ManyDoorsPostAtOnceAndNothingIsLost) {
  constexpr int kDoors = 4;
  constexpr int kPosts = 25;
  constexpr int kAlerts = 20;
  TempDir dir;
  {
    Process process(dir);
    std::vector<std::jthread> doors;
    std::atomic<int> stored{0};
    for (int door = 0; door < kDoors; ++door) {
      doors.emplace_back([&process, &stored, door] {
        for (int post = 0; post < kPosts; ++post) {
          AlertBatch batch{AlertSource::kApi, {}};
          for (int i = 0; i < kAlerts; ++i) {
            const Labels labels{{"alertname", "A"},
                                {"door", std::to_string(door)},
                                {"number", std::to_string(post * kAlerts + i)},
                                {"shared", "x"}};
            batch.alerts.push_back({labels, {}, Time{}, Time{}, ""});
          }
          // And one that all doors post.
          batch.alerts.push_back({Labels{{"alertname", "Common"}}, {}, Time{}, Time{}, ""});
          auto promise = std::make_shared<std::promise<Status>>();
          process.alerts.Post(std::move(batch),
                              [promise](Status status) { promise->set_value(std::move(status)); });
          if (promise->get_future().get()) ++stored;
          // Whoever asks after the answer finds the alerts.
          const auto snapshot = process.alerts.Look(10s);
          EXPECT_GE((*snapshot)->alerts.size(), static_cast<std::size_t>((post + 1) * kAlerts + 1));
        }
      });
    }
    doors.clear();
    EXPECT_EQ(stored, kDoors * kPosts);
    EXPECT_THAT(process.alerts.Look(10s).value()->alerts, SizeIs(kDoors * kPosts * kAlerts + 1));
    EXPECT_EQ(process.consumer.heard, kDoors * kPosts * (kAlerts + 1));
  }
  Process again(dir);
  EXPECT_THAT(again.alerts.Look(10s).value()->alerts, SizeIs(kDoors * kPosts * kAlerts + 1));
}

}  // namespace
}  // namespace fettle::receivers
