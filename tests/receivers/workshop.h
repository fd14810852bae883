// A workshop to mend things in: the mender with everything it talks to, on one thread, with a clock
// that the test moves. A small language:
//
//   Workshop shop;                              // configuration kHealWeb, containers as the test
//   adds shop.engine.AddService("shop", "web"); shop.Boot();
//   shop.engine.TurnUnhealthy("shop-web-1");
//   shop.Fire("WebDown");
//   EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-web-1 t=10"));
//   shop.Pass(30s);
//   EXPECT_EQ(shop.StateOf("heal-web"), "held");
//
// Crash() ends the process: what waits in brain and hands is lost; Boot() begins a new one on the
// same store, engine and clock.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/json.h"
#include "receivers/alerts.h"
#include "receivers/mender.h"
#include "tests/support/fake_backup_runner.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_judge.h"
#include "tests/support/fake_quiet.h"
#include "tests/support/fake_teller.h"
#include "tests/support/fake_transport.h"
#include "tests/support/inline_hands.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/recorded_log.h"
#include "tests/support/temp_dir.h"

namespace fettle::receivers {

using namespace std::chrono_literals;  // NOLINT: a fixture's language
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

inline constexpr char kHealWeb[] = R"(
targets:
- {name: web, docker: {project: shop, service: web}}
guards: {kill_switch_file: /nonexistent/STOP}
repairs:
- name: heal-web
  matchers: ['alertname="WebDown"']
  target: web
  mode: auto
  verify: {within: 60s, hold: 30s}
  actions: [{restart: {}}, {escalate: {receiver: oncall}}]
)";

// Reads the text as the `receivers` section; a complaint fails the test.
inline std::shared_ptr<const RepairsConfig> ReadConfig(const std::string& text,
                                                       std::string* complaints_out = nullptr) {
  yaml::Complaints complaints;
  const std::optional<yaml::Node> node =
      yaml::Load(text, "fettle.yml", complaints, {.expand_environment = false});
  RepairsConfig config;
  if (node) {
    yaml::Mapping receivers(*node, "receivers", complaints);
    References references;
    references.docker_connections = {"local"};
    references.receivers = {"oncall"};
    references.time_intervals = {"nights"};
    references.backups = {"leads-db"};
    const FakeJudge judge;
    references.check_expression = [&](std::string_view text_) { return judge.Check(text_); };
    config = ReadRepairs(receivers, references);
  }
  if (complaints_out != nullptr) {
    *complaints_out = complaints.ToString();
  } else {
    EXPECT_EQ(complaints.ToString(), "");
  }
  return std::make_shared<const RepairsConfig>(std::move(config));
}

class Workshop {
 public:
  explicit Workshop(const std::string& configuration = kHealWeb)
      : config_(ReadConfig(configuration)), engine(clock), store(clock) {}
  ~Workshop() {
    if (process_) process_->End();
  }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  ManualClock clock;

 private:
  std::shared_ptr<const RepairsConfig> config_;

 public:
  FakeEngine engine;
  MemoryStore store;
  FakeQuiet quiet;
  FakeJudge judge;
  Metrics metrics;
  RecordedLog log;
  // What stands between the mender and the engine, if the test wants something there.
  Engine* engine_in_between = nullptr;
  bool hears_events = true;
  bool inventory_at_boot = true;
  // Runs where the store dies, to take the process with it.
  std::function<void()> on_store_crash;
  // What events have told of.
  std::map<EventKind, Events::Course> courses;
  FakeTransport http;
  const Approvals* approvals = nullptr;
  // Calls wait until the test lets them go on.
  bool acting_waits = false;

  // --- the process ---------------------------------------------------------------------------

  void Boot() {
    ASSERT_TRUE(process_ == nullptr);
    store.OnCrash(on_store_crash);
    process_ = std::make_unique<Process>(*this);
    teller().MoveTo(process_->brain);
    backups().MoveTo(process_->brain);
    heard_ = engine.Events().size();
    const Moment now = clock.Now();
    ASSERT_TRUE(process_->alerts->Restore(now).has_value());
    const Status loaded = process_->mender->Load(now);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    process_->alerts->Subscribe(*process_->mender, now);
    process_->mender->Begin(now);
    if (inventory_at_boot) ReadInventory();
    Settle();
  }
  void ReadInventory() {
    const auto containers = engine.List({});
    if (containers) process_->mender->OnInventory("local", *containers, clock.Now());
  }
  // The process is killed.
  void Crash() {
    if (process_) process_->End();
    process_.reset();
    store.OnCrash({});
    store.Crash();
    store.Restart();
  }
  bool IsUp() const { return process_ != nullptr; }
  Mender& mender() { return *process_->mender; }
  Brain& brain() { return process_->brain; }
  InlineHands& acting() { return process_->acting; }
  InlineHands& looking() { return process_->looking; }
  FakeTeller& teller() { return teller_; }
  FakeBackupRunner& backups() { return backups_; }

  void LetAct() {
    acting_waits = false;
    Settle();
  }
  // Runs everything that can run without time passing.
  void Settle() {
    while (process_ != nullptr) {
      process_->brain.RunUntil(clock.Now());
      Hear();
      const bool worked = process_->looking.WorkOne() ||
                          (!acting_waits && process_->acting.WorkOne()) ||
                          process_->folding.WorkOne();
      Hear();
      if (!worked && process_->brain.MailboxSize() == 0) return;
    }
  }
  // Lets time pass, timer by timer.
  void Pass(Micros duration) {
    const BootTime end = clock.Now().boot + duration;
    Settle();
    while (process_ != nullptr) {
      const std::optional<BootTime> next = process_->brain.NextDeadline();
      const BootTime now = clock.Now().boot;
      if (!next || *next > end) {
        if (end > now) clock.Pass(end - now);
        Settle();
        return;
      }
      if (*next > now) clock.Pass(*next - now);
      Settle();
    }
  }

  // --- alerts --------------------------------------------------------------------------------

  struct Said {
    Labels labels;
    AlertSource source = AlertSource::kWebhook;
    std::optional<Time> starts_at;  // else now, or when it began first
  };
  // The alert must be accepted; TryFire says whether it was.
  void Fire(const Said& said) { Accepted(Post(said, false)); }
  void Fire(const std::string& name) { Fire(Said{.labels = {{"alertname", name}}}); }
  void Resolve(const Said& said) { Accepted(Post(said, true)); }
  void Resolve(const std::string& name) { Resolve(Said{.labels = {{"alertname", name}}}); }
  Status TryFire(const Said& said) { return Post(said, false); }
  Status TryFire(const std::string& name) { return TryFire(Said{.labels = {{"alertname", name}}}); }
  Status TryResolve(const Said& said) { return Post(said, true); }
  Status Post(AlertBatch batch) {
    std::optional<Status> answer;
    process_->alerts->Post(std::move(batch), [&](Status status) { answer = status; });
    Settle();
    return answer ? *answer : Status(Fail("no answer"));
  }
  // A new beginning for the next Fire() of this alert.
  void Forget(const Labels& labels) { began_.erase(labels.Fingerprint()); }

  // --- what came of it -----------------------------------------------------------------------

  std::vector<Mender::View> All() {
    std::vector<Mender::View> views = mender().Open(clock.Now());
    for (Mender::View& view : mender().Closed()) views.push_back(std::move(view));
    return views;
  }
  // The newest incident of a repair.
  std::optional<Mender::View> Find(const std::string& repair, const std::string& target = "") {
    for (Mender::View& view : All()) {
      if (view.incident.repair != repair) continue;
      if (target.empty() || view.incident.target == target) return std::move(view);
    }
    return std::nullopt;
  }
  std::string StateOf(const std::string& repair, const std::string& target = "") {
    const auto view = Find(repair, target);
    if (!view) return "none";
    const Incident& incident = view->incident;
    std::string text(ToString(incident.state));
    if (incident.state == IncidentState::kSuppressed) text += " " + incident.reason;
    if (incident.state == IncidentState::kClosed) text += " " + incident.outcome;
    return text;
  }
  // "restart shop-web-1 done", one for each attempt of the newest incident.
  std::vector<std::string> Attempts(const std::string& repair) {
    std::vector<std::string> lines;
    const auto view = Find(repair);
    if (!view) return lines;
    for (const Attempt& attempt : view->attempts) {
      std::string line = attempt.kind;
      if (!attempt.instance.empty()) line += " " + attempt.instance;
      line += " " + std::string(ToString(attempt.state));
      if (attempt.verified) line += *attempt.verified ? " helped" : " did not help";
      lines.push_back(line);
    }
    return lines;
  }
  // The value of one of fettle's own metrics, summed over what is not named; 0 if absent.
  double Metric(const std::string& name, const Labels& labels = {}) {
    double sum = 0;
    for (const MetricFamily& family : metrics.Collect()) {
      if (family.name != name) continue;
      for (const MetricPoint& point : family.points) {
        if (!point.suffix.empty() && point.suffix != "_count") continue;
        bool all = true;
        for (const auto& [label, value] : labels) all = all && point.labels.Get(label) == value;
        if (all) sum += point.value;
      }
    }
    return sum;
  }
  // "what" of every audit entry, with the reason or result if there is one.
  std::vector<std::string> AuditTrail() {
    std::vector<std::string> lines;
    for (const std::string& body : store.AuditBodies()) {
      const Result<Json> json = Json::Parse(body);
      if (!json) continue;
      std::string line = (*json)["what"].StringOr("");
      for (const char* field : {"decision", "reason", "result", "outcome"}) {
        const std::string value = (*json)[field].StringOr("");
        if (!value.empty()) line += " " + value;
      }
      lines.push_back(line);
    }
    return lines;
  }
  Status Tell(Mender::Command command, const std::string& repair, const std::string& by = "ann") {
    std::optional<Status> answer;
    const auto view = Find(repair);
    const std::string id = view ? view->incident.id : "none";
    mender().Do(
        command, id, by, [&](Status status) { answer = std::move(status); }, clock.Now());
    Settle();
    return answer ? *answer : Status(Fail("no answer"));
  }
  // For the next Boot().
  void Configure(const std::string& text) { config_ = ReadConfig(text); }
  void Reconfigure(const std::string& text) {
    Configure(text);
    mender().Reconfigure(config_, clock.Now());
    Settle();
  }

 private:
  // Everything that a kill -9 takes away.
  struct Process {
    explicit Process(Workshop& shop) {
      Engine* seen = shop.engine_in_between;
      if (seen == nullptr) seen = &shop.engine;
      targets = std::make_unique<Targets>(Targets::Deps{{{"local", seen}}, &shop.backups_});
      alerts = std::make_unique<Alerts>(Alerts::Deps{brain, folding, shop.store, shop.clock,
                                                     shop.metrics, shop.log.For("alerts")},
                                        Alerts::Options{});
      Actions actions = AllActions({brain,
                                    acting,
                                    shop.clock,
                                    *targets,
                                    &shop.backups_,
                                    &shop.teller_,
                                    "http://fettle.example",
                                    {},
                                    &shop.http});
      mender = std::make_unique<Mender>(
          Mender::Deps{
              brain, looking, shop.store, shop.metrics, shop.log.For("mender"), *targets,
              std::move(actions), shop.quiet, &shop.judge, &shop.backups_, OwnParts{},
              &shop.teller_, shop.approvals, "http://fettle.example",
              [&shop](EventKind kind, std::string_view, Time) { return shop.courses[kind]; }},
          shop.config_, Mender::Options{});
    }
    void End() {
      looking.Drop();
      acting.Drop();
      folding.Drop();
      alerts->Unsubscribe(*mender);
    }
    Brain brain;
    InlineHands looking;
    InlineHands acting;
    InlineHands folding;
    std::unique_ptr<Targets> targets;
    std::unique_ptr<Alerts> alerts;
    std::unique_ptr<Mender> mender;
  };

  static void Accepted(const Status& status) {
    EXPECT_TRUE(status.has_value()) << status.error().message;
  }
  void Hear() {
    if (!process_) return;
    for (const EngineEvent& event : engine.Events(heard_)) {
      ++heard_;
      if (hears_events) process_->mender->OnEngineEvent(event, clock.Now());
    }
  }
  Status Post(const Said& said, bool resolved) {
    const Time now = clock.Now().wall;
    auto [began, fresh] = began_.try_emplace(said.labels.Fingerprint(), now);
    if (said.starts_at) began->second = *said.starts_at;
    Alert alert;
    alert.labels = said.labels;
    alert.starts_at = began->second;
    if (resolved) {
      alert.ends_at = now;
      began_.erase(began);
    }
    return Post({said.source, {alert}});
  }

  Brain nowhere_;
  FakeTeller teller_{nowhere_};
  FakeBackupRunner backups_{nowhere_};
  std::map<std::uint64_t, Time> began_;
  std::size_t heard_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace fettle::receivers
