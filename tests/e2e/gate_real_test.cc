// Money, asked of the running program by a shell: events are spent, a gate reserves, and `fettle
// gate` says it by its exit code, also after a kill -9.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/process.h"
#include "tests/support/program.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

constexpr const char* kConfig = R"(
exporter:
  interval: 200ms
  cost:
    budgets: [{name: gpu, limit_usd: 100, include: {source: events, kind: gpu}}]
receivers:
  gates:
  - {name: burst, budget: gpu, threshold: 0.9}
  - {name: idle, when: 'fettle_gpu_burst_active_instances == 0'}
)";

int ExitOf(const std::string& command) {
  const auto ran = RunProcess({.argv = {"/bin/sh", "-c", command}});
  return ran && ran->signal == 0 ? ran->exit_code : -1;
}

TEST(GateRealTest, AShellAsksWhetherABurstMayBegin) {
  Program program({.config = kConfig});
  program.Start();
  const auto gate = [&](const std::string& rest) {
    return ExitOf(std::string(FETTLE_PROGRAM) + " gate --url " + program.url() + " " + rest);
  };
  ASSERT_TRUE(WaitUntil([&] { return program.Query("fettle_budget_spent_usd") == 0; }));
  EXPECT_EQ(gate("burst --estimate-usd 90"), 0);
  EXPECT_EQ(gate("burst --estimate-usd 91"), 10);
  EXPECT_EQ(gate("nosuch"), 11);
  EXPECT_EQ(gate("nosuch --on-error deny"), 10);
  EXPECT_EQ(gate("nosuch --on-error allow"), 0);
  EXPECT_EQ(gate("idle"), 10) << "nothing is known of any GPU";

  // An instance that ended with a bill.
  const std::string labels = R"("labels":{"provider":"p","instance":"i"})";
  EXPECT_EQ(program
                .Post("/api/fettle/v1/events",
                      R"({"id":"1","kind":"gpu","phase":"start","usd_per_hour":2,)" + labels + "}")
                .status,
            200);
  EXPECT_EQ(program
                .Post("/api/fettle/v1/events",
                      R"({"id":"2","kind":"gpu","phase":"end","usd":50,)" + labels + "}")
                .status,
            200);
  EXPECT_EQ(program
                .Post("/api/fettle/v1/events",
                      R"({"id":"2","kind":"gpu","phase":"end","usd":50,)" + labels + "}")
                .status,
            200);
  ASSERT_TRUE(WaitUntil([&] { return program.Query("fettle_budget_spent_usd") == 50; }));
  ASSERT_TRUE(WaitUntil([&] { return program.Query("fettle_gpu_burst_active_instances") == 0; }));
  EXPECT_EQ(gate("idle"), 0);
  EXPECT_EQ(gate("burst --estimate-usd 30 --reserve --idempotency-key k"), 0);
  EXPECT_EQ(gate("burst --estimate-usd 30 --reserve --idempotency-key k"), 0) << "the same one";
  EXPECT_EQ(gate("burst --estimate-usd 11"), 10);

  program.Kill();
  EXPECT_EQ(gate("burst"), 11);
  program.Start();
  ASSERT_TRUE(WaitUntil([&] { return program.Query("fettle_budget_spent_usd") == 50; }));
  EXPECT_EQ(gate("burst --estimate-usd 11"), 10) << "the reservation is still there";
  EXPECT_EQ(gate("burst --estimate-usd 10"), 0);
  const Result<Json> gates = Json::Parse(program.Get("/api/fettle/v1/gates").body);
  ASSERT_TRUE(gates);
  const Json burst = (*gates)["gates"].Items().at(0);
  EXPECT_EQ(burst["reserved_usd"].NumberOr(0), 30);
  const std::string id = burst["reservations"].Items().at(0)["id"].StringOr("");
  EXPECT_EQ(
      program.Post("/api/fettle/v1/gates/burst/reservations/" + id, R"({"actual_usd":0})").status,
      200);
  EXPECT_EQ(gate("burst --estimate-usd 40"), 0);
  EXPECT_TRUE(WaitUntil([&] {
    return program.Query(R"(sum(fettle_gate_decisions_total{gate="burst",decision="allow"}))") == 2;
  }));
}

}  // namespace
}  // namespace fettle
