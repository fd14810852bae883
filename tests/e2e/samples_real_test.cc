// Samples by remote write, and kill -9 at any moment: whatever was answered with 2xx is there
// again.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "tests/support/program.h"
#include "tests/support/remote_write.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

constexpr int kSeries = 50;

Time Now() { return SystemClock().Now().wall; }

HttpResponse Write(Program& program, const std::vector<Sample>& samples) {
  return program.Send(
      {.method = "POST",
       .url = "/api/v1/write",
       .headers = {{"Content-Type", "application/x-protobuf"}, {"Content-Encoding", "snappy"}},
       .body = RemoteWriteBody(samples)});
}

std::vector<Sample> Step(std::int64_t step, Time begin) {
  std::vector<Sample> samples;
  for (int i = 0; i < kSeries; ++i) {
    samples.push_back({{{"__name__", "step"}, {"i", std::to_string(i)}},
                       static_cast<double>(step) + i / 100.0,
                       begin + Millis(step)});
  }
  return samples;
}

TEST(SamplesRealTest, RemoteWriteIsOffUnlessAskedFor) {
  Program program({.config = "rules: {}\n"});
  program.Start();
  const HttpResponse answer = Write(program, Step(0, Now()));
  EXPECT_EQ(answer.status, 404);
  EXPECT_NE(answer.body.find("--web.enable-remote-write-receiver"), std::string::npos);
}

// One writer writes as fast as it can; the program is killed at some moment, five times over.
TEST(SamplesRealTest, KillNineLosesNothingAcknowledged) {
  Program program({.config = "rules: {}\n", .arguments = {"--web.enable-remote-write-receiver"}});
  const Time begin = Now() - std::chrono::minutes(30);
  std::mt19937 random(5);
  std::int64_t step = 0;
  std::int64_t acknowledged = 0;
  for (int round = 0; round < 5; ++round) {
    program.Start();
    if (round > 0) {
      EXPECT_GE(program.Query("min(max_over_time(step[1h]))"), static_cast<double>(acknowledged));
      EXPECT_GE(program.Query("min(count_over_time(step[1h]))"), static_cast<double>(acknowledged));
      EXPECT_EQ(program.Query("max(count_over_time(step[1h])) - min(count_over_time(step[1h]))"), 0)
          << "a write is there as a whole or not at all";
    }
    std::atomic<bool> over = false;
    std::jthread writer([&] {
      while (!over) {
        // One that was not answered may have been stored; sent again, it is known already.
        const HttpResponse answer = Write(program, Step(step + 1, begin));
        if (answer.status == 0) return;
        ASSERT_EQ(answer.status, 204) << answer.body;
        acknowledged = ++step;
      }
    });
    const auto until = std::chrono::steady_clock::now() + Millis(200 + random() % 300);
    (void)WaitUntil([&] { return std::chrono::steady_clock::now() > until; });
    program.Kill();
    over = true;
  }
  EXPECT_GT(acknowledged, 20);
  program.Start();
  EXPECT_GE(program.Query("sum(count_over_time(step[1h]))"),
            static_cast<double>(acknowledged * kSeries));
  EXPECT_GE(program.Metric("fettle_samples_replayed"), static_cast<double>(acknowledged * kSeries));
  EXPECT_EQ(program.Metric("fettle_samples_log_degraded"), 0);
}

// A rate goes on over a restart as if there had been none.
TEST(SamplesRealTest, RatesGoOnAfterARestart) {
  Program program({.config = "rules: {}\n", .arguments = {"--web.enable-remote-write-receiver"}});
  program.Start();
  const Time now = Now();
  std::vector<Sample> samples;
  for (int i = 0; i < 40; ++i) {
    samples.push_back(
        {{{"__name__", "requests_total"}}, i * 15.0, now - std::chrono::seconds(15 * (40 - i))});
  }
  ASSERT_EQ(Write(program, samples).status, 204);
  EXPECT_EQ(program.Stop(), 0);
  program.Start();
  EXPECT_NEAR(program.Query("rate(requests_total[8m])"), 1, 0.01);
}

}  // namespace
}  // namespace fettle
