// The three keys of `receivers` that repair: what they mean when they have no mistakes, and who may
// not act by himself. Every mistake is in tests/data/config.
#include "receivers/repairs_config.h"

#include "tests/receivers/workshop.h"

namespace fettle::receivers {
namespace {

TEST(RepairsConfigTest, ReadsEverythingThatMayBeWritten) {
  const auto config = ReadConfig(R"(
targets:
- {name: web, docker: {project: shop, service: web}, stop_timeout: 60s}
- {name: one, docker: {connection: local, container: shop-db-1}}
- {name: opted-in, docker: {label: fettle.mend}}
guards: {mode: approve, kill_switch_file: /data/STOP, attempts: [5/10m, 20/1h], concurrent: 2, mute_time_intervals: [nights]}
repairs:
- name: heal
  matchers: ['alertname=~"Web.*"', 'severity!="info"']
  target: {label: service}
  mode: auto
  guards: {cooldown: 2m, attempts: [1/1h], min_healthy: 1, mute_time_intervals: [nights]}
  verify: {expr: up, within: 2m, hold: 10s}
  actions:
  - {restart: {}, attempts: 2, timeout: 1m, while_silenced: true, verify: {hold: 0s}}
  - {exec: {argv: [/bin/tidy, --all], environment: {A: b}, directory: /tmp}}
  - {escalate: {receiver: oncall}}
- {name: again, matchers: ['alertname="BackupFailed"'], actions: [{backup: {label: backup}}]}
)");
  ASSERT_EQ(config->targets.size(), 3U);
  EXPECT_EQ(config->targets[0].connection, "local") << "the only engine there is";
  EXPECT_EQ(config->targets[0].stop_timeout_s, 60);
  EXPECT_EQ(config->targets[2].label, "fettle.mend");
  EXPECT_EQ(config->guards.attempts, (std::vector<Window>{{5, 10min}, {20, 1h}}));
  EXPECT_EQ(config->guards.concurrent, 2);
  const RepairSpec& heal = *config->FindRepair("heal");
  EXPECT_EQ(heal.target_label, "service");
  EXPECT_EQ(config->EffectiveMode(heal), Mode::kApprove) << "under the ceiling";
  EXPECT_EQ(heal.guards.cooldown, 2min);
  EXPECT_EQ(heal.EscalationRung(), 2U);
  EXPECT_EQ(heal.rungs[0].attempts, 2);
  EXPECT_TRUE(heal.rungs[0].while_silenced);
  EXPECT_EQ(heal.VerifyOf(heal.rungs[0]).within, 2min)
      << "what a rung does not say is the repair's";
  EXPECT_EQ(heal.VerifyOf(heal.rungs[0]).hold, 0s);
  EXPECT_EQ(std::get<ExecSpec>(heal.rungs[1].action).directory, "/tmp");
  const RepairSpec& again = *config->FindRepair("again");
  EXPECT_EQ(again.mode, Mode::kObserve) << "a healer must not surprise";
  EXPECT_EQ(again.guards.attempts, (std::vector<Window>{{3, 1h}, {7, 24h}}));
  EXPECT_EQ(again.EscalationRung(), again.rungs.size());
  EXPECT_EQ(config->FindTarget("nothing"), nullptr);
  EXPECT_EQ(config->FindRepair("nothing"), nullptr);
}

TEST(RepairsConfigTest, WhoeverCanPostMustNotMakeARepairActByItself) {
  struct Case {
    const char* address;
    const char* mode;
    bool has_authentication;
    bool allowed;
  };
  for (const Case& one :
       {Case{"127.0.0.1:9911", "auto", false, true}, Case{"localhost:9911", "auto", false, true},
        Case{"[::1]:9911", "auto", false, true}, Case{"127.8.9.1:0", "auto", false, true},
        Case{"0.0.0.0:9911", "auto", false, false}, Case{":9911", "auto", false, false},
        Case{"[::]:9911", "auto", false, false}, Case{"192.168.1.2:9911", "auto", false, false},
        Case{"fettle.example:9911", "auto", false, false}, Case{"0.0.0.0:9911", "auto", true, true},
        Case{"0.0.0.0:9911", "approve", false, true},
        Case{"0.0.0.0:9911", "observe", false, true}}) {
    std::string text = kHealWeb;
    text.replace(text.find("mode: auto"), 10, std::string("mode: ") + one.mode);
    const Status checked = CheckOpenDoor(*ReadConfig(text), one.address, one.has_authentication);
    EXPECT_EQ(checked.has_value(), one.allowed) << one.address << " " << one.mode;
    if (checked) continue;
    EXPECT_THAT(checked.error().message, HasSubstr("heal-web"));
  }
  std::string held = kHealWeb;
  held.replace(held.find("guards: {"), 9, "guards: {mode: observe, ");
  EXPECT_TRUE(CheckOpenDoor(*ReadConfig(held), "0.0.0.0:9911", false)) << "the ceiling holds it";
}

}  // namespace
}  // namespace fettle::receivers
