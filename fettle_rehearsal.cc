#include "fettle_rehearsal.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "common/brain.h"
#include "common/engine_watch.h"
#include "common/judge.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/random.h"
#include "receivers/actions/all.h"
#include "receivers/alerts.h"
#include "receivers/engine_ears.h"
#include "receivers/mender.h"
#include "receivers/targets.h"
#include "receivers/telling.h"

namespace fettle {
namespace {

class ToldClock final : public Clock {
 public:
  explicit ToldClock(Time begin) : now_{begin, BootTime(std::chrono::hours(24))} {}
  Moment Now() const override { return now_; }
  void PassTo(BootTime boot) {
    now_.wall += std::chrono::duration_cast<Millis>(boot - now_.boot);
    now_.boot = boot;
  }

 private:
  Moment now_;
};

// Hands that work when they are asked to, on the same thread.
class LaterHands final : public Hands {
 public:
  explicit LaterHands(std::deque<Work>& waiting) : waiting_(waiting) {}
  bool Do(Work work) override {
    waiting_.push_back(std::move(work));
    return true;
  }
  void Close() override {}

 private:
  std::deque<Work>& waiting_;
};

// Records in memory, committed at once.
class BookStore final : public Store {
 public:
  void Commit(Batch batch, Then then) override { then(Take(std::move(batch))); }
  Result<std::vector<Record>> Read(const RecordQuery& query) override {
    std::vector<Record> found;
    for (const auto& [key, record] : records_) {
      if (key.first != query.kind || (!query.id.empty() && key.second != query.id)) continue;
      if (!query.key.empty() && record.key != query.key) continue;
      if (query.due_by && (!record.due_at || *record.due_at > *query.due_by)) continue;
      found.push_back(record);
    }
    if (query.due_by) {
      std::stable_sort(found.begin(), found.end(),
                       [](const Record& a, const Record& b) { return *a.due_at < *b.due_at; });
    }
    if (found.size() > query.limit) found.resize(query.limit);
    return found;
  }
  Result<std::vector<AuditEntry>> ReadAudit(std::int64_t, std::size_t) override {
    return std::vector<AuditEntry>{};
  }
  Status VerifyAudit() override { return {}; }
  Status TrimAudit(Time) override { return {}; }
  Status Health() const override { return {}; }

 private:
  using Key = std::pair<std::string, std::string>;
  std::int64_t VersionOf(const Key& key) const {
    const auto it = records_.find(key);
    return it == records_.end() ? 0 : it->second.version;
  }
  Status Take(Batch batch) {
    if (Status good = CheckBatch(batch); !good) return good;
    for (const Write& write : batch.writes) {
      const Key key{write.record.kind, write.record.id};
      Status s = CheckVersion(key.first, key.second, write.expected, VersionOf(key));
      if (!s) return s;
    }
    for (const Erase& erase : batch.erasures) {
      Status s =
          CheckVersion(erase.kind, erase.id, erase.expected, VersionOf({erase.kind, erase.id}));
      if (!s) return s;
    }
    for (Write& write : batch.writes) {
      const Key key{write.record.kind, write.record.id};
      write.record.version = VersionOf(key) + 1;
      records_[key] = std::move(write.record);
    }
    for (const Erase& erase : batch.erasures) records_.erase({erase.kind, erase.id});
    return {};
  }
  std::map<Key, Record> records_;
};

// Nobody is asked for anything.
class ClosedTransport final : public HttpTransport {
 public:
  Result<HttpResponse> Send(const HttpRequest&, const HttpOptions&) override {
    return Fail(Cause::kDenied, "this is a rehearsal");
  }
};

class AgreeingJudge final : public Judge {
 public:
  Status Check(std::string_view) const override { return {}; }
  Result<std::vector<Sample>> Ask(std::string_view, Time at, Millis) const override {
    return std::vector<Sample>{{Labels{}, 1, at}};
  }
  std::string Compared(std::string_view) const override { return ""; }
};

class KnownBackups final : public receivers::BackupRunner {
 public:
  explicit KnownBackups(const std::vector<receivers::backups::JobSpec>& jobs) {
    for (const auto& job : jobs) names_.push_back(job.name);
  }
  bool Knows(const std::string& name) const override {
    return std::find(names_.begin(), names_.end(), name) != names_.end();
  }
  std::vector<std::string> Running() const override { return {}; }
  // The action that would ask is only rehearsed.
  void Run(const std::string&, const std::string&, Time, Then) override {}

 private:
  std::vector<std::string> names_;
};

// Shows a running container for each target that names one.
class ShownEngine final : public Engine {
 public:
  ShownEngine(std::string name, const receivers::RepairsConfig& config, Time now)
      : name_(std::move(name)) {
    for (const receivers::TargetSpec& target : config.targets) {
      if (target.connection != name_ || (target.service.empty() && target.container.empty())) {
        continue;
      }
      Container container;
      container.name = target.container.empty() ? target.project + "-" + target.service + "-1"
                                                : target.container;
      container.id = "rehearsed-" + container.name;
      if (!target.service.empty()) {
        container.labels = {{"com.docker.compose.project", target.project},
                            {"com.docker.compose.service", target.service},
                            {"com.docker.compose.container-number", "1"}};
      }
      container.state = ContainerState::kRunning;
      container.started_at = now - std::chrono::hours(1);
      container.started_at_raw = "1";
      containers_.push_back(std::move(container));
    }
  }
  const std::string& Name() const override { return name_; }
  Status Ping() override { return {}; }
  Result<std::vector<Container>> List(const std::vector<std::string>& filters) override {
    std::vector<Container> found = containers_;
    for (const std::string& filter : filters) {
      const std::size_t equals = filter.find('=');
      const std::string label = filter.substr(0, equals);
      std::erase_if(found, [&](const Container& one) {
        const auto it = one.labels.find(label);
        return it == one.labels.end() ||
               (equals != std::string::npos && it->second != filter.substr(equals + 1));
      });
    }
    return found;
  }
  Result<Container> Inspect(const std::string& id) override {
    for (const Container& one : containers_) {
      if (one.id == id || one.name == id) return one;
    }
    return Fail(Cause::kNotFound, "no such container: {}", id);
  }
  Result<ContainerStats> Stats(const std::string&) override { return ContainerStats{}; }
  Result<std::string> Logs(const std::string&, int, std::size_t) override { return std::string(); }
  Status Restart(const std::string&, int) override { return {}; }
  Status Start(const std::string&) override { return {}; }
  Status Stop(const std::string&, int) override { return {}; }
  Status Kill(const std::string&, const std::string&) override { return {}; }
  Result<std::string> ExecCreate(const std::string&, const std::vector<std::string>&) override {
    return Fail(Cause::kDenied, "this is a rehearsal");
  }
  Result<ExecResult> ExecStart(const std::string&, Millis) override {
    return Fail(Cause::kDenied, "this is a rehearsal");
  }
  Result<ExecState> ExecInspect(const std::string&) override {
    return Fail(Cause::kDenied, "this is a rehearsal");
  }
  Status Follow(Time, const std::function<void()>&, const std::function<void(const EngineEvent&)>&,
                std::stop_token) override {
    return {};
  }

 private:
  const std::string name_;
  std::vector<Container> containers_;
};

// The real action's traits; its call succeeds at once and does nothing.
class RehearsedAction final : public receivers::Action {
 public:
  RehearsedAction(std::unique_ptr<receivers::Action> real, Brain& brain)
      : real_(std::move(real)), brain_(brain) {}
  const receivers::ActionTraits& traits() const override { return real_->traits(); }
  receivers::Identity Prepare(const receivers::Subject& subject,
                              const receivers::Incident& incident,
                              const Container* container) const override {
    return real_->Prepare(subject, incident, container);
  }
  Millis DefaultTimeout(const receivers::Attempt& attempt) const override {
    return real_->DefaultTimeout(attempt);
  }
  void Call(receivers::ActionCall, Finish finish) override {
    brain_.Finish([finish = std::move(finish)](const Moment& now) {
      finish(receivers::Step::Outcome(receivers::AttemptState::kDone, "rehearsed", now.boot), now);
    });
  }
  void Recover(receivers::ActionCall call, Finish finish) override {
    Call(std::move(call), std::move(finish));
  }

 private:
  const std::unique_ptr<receivers::Action> real_;
  Brain& brain_;
};

class Listener final : public receivers::Notifier {
 public:
  explicit Listener(std::vector<Rehearsal::Told>& told) : told_(told) {}
  receivers::Outcome Notify(const receivers::Notification& notification, Millis,
                            const std::stop_token&) override {
    Rehearsal::Told told{notification.now, notification.receiver, notification.firing(), {}};
    for (const receivers::NotifiedAlert& alert : notification.alerts) {
      told.alerts.push_back({alert.labels(), alert.resolved});
    }
    told_.push_back(std::move(told));
    return receivers::Outcome::Done();
  }

 private:
  std::vector<Rehearsal::Told>& told_;
};

// One listener for each receiver, also for those without an integration.
std::shared_ptr<const receivers::Plan> ListeningPlan(const receivers::Plan& plan,
                                                     std::vector<Rehearsal::Told>& told) {
  auto listening = std::make_shared<receivers::Plan>(plan);
  const auto listener = std::make_shared<Listener>(told);
  for (auto& [name, integrations] : listening->receivers) {
    const bool resolved =
        integrations.empty() ||
        std::any_of(integrations.begin(), integrations.end(),
                    [](const receivers::Integration& one) { return one.send_resolved; });
    integrations = {{name, "rehearsal", 0, resolved, listener}};
  }
  return listening;
}

}  // namespace

struct Rehearsal::Parts {
  Parts(FettleConfig c, Time begin) : config(std::move(c)), clock(begin), backups(config.backups) {
    for (const auto& [name, connection] : config.connections.docker) {
      engines[name] = std::make_unique<ShownEngine>(name, config.repairs, begin);
    }
    receivers::Targets::Deps with{.engines = {}, .backups = &backups};
    for (const auto& [name, engine] : engines) with.engines[name] = engine.get();
    targets = std::make_unique<receivers::Targets>(std::move(with));
    receivers::Actions actions = receivers::AllActions({.brain = brain,
                                                        .hands = hands,
                                                        .clock = clock,
                                                        .targets = *targets,
                                                        .backups = &backups,
                                                        .teller = &telling,
                                                        .external_url = {},
                                                        .stop = {}});
    for (auto& [kind, action] : actions) {
      action = std::make_unique<RehearsedAction>(std::move(action), brain);
    }
    mender = std::make_unique<receivers::Mender>(
        receivers::Mender::Deps{.brain = brain,
                                .hands = hands,
                                .store = store,
                                .metrics = metrics,
                                .log = log,
                                .targets = *targets,
                                .actions = std::move(actions),
                                .quiet = telling,
                                .judge = &judge,
                                .backups = &backups},
        std::make_shared<const receivers::RepairsConfig>(config.repairs),
        receivers::Mender::Options{});
  }

  Status Begin() {
    const Moment now = clock.Now();
    if (Status s = alerts.Restore(now); !s) return s;
    if (Status s = telling.Restore(now); !s) return s;
    if (config.alertmanager) {
      const auto plan = receivers::MakePlan(*config.alertmanager, {transport, "rehearsal"});
      if (!plan) return While("reading templates", plan.error());
      telling.Use(ListeningPlan(**plan, told), now);
    }
    if (Status s = mender->Load(now); !s) return s;
    alerts.Subscribe(*mender, now);
    mender->Begin(now);
    for (const auto& [name, engine] : engines) {
      mender->OnInventory(name, engine->List({}).value(), now);
    }
    Settle();
    return {};
  }

  void Settle() {
    while (true) {
      brain.RunUntil(clock.Now());
      if (waiting.empty()) {
        if (brain.MailboxSize() == 0) return;
        continue;
      }
      const Hands::Work work = std::move(waiting.front());
      waiting.pop_front();
      work();
    }
  }

  FettleConfig config;
  ToldClock clock;
  std::deque<Hands::Work> waiting;
  LaterHands hands{waiting};
  BookStore store;
  ClosedTransport transport;
  AgreeingJudge judge;
  KnownBackups backups;
  Metrics metrics;
  SystemRandom random;
  LogWriter writer{clock, [](std::string_view) {}, {}};
  Log log{writer, "rehearsal"};
  std::vector<Told> told;
  Brain brain;
  receivers::Alerts alerts{{.brain = brain,
                            .hands = hands,
                            .store = store,
                            .clock = clock,
                            .metrics = metrics,
                            .log = log},
                           {}};
  receivers::Telling telling{
      {.brain = brain,
       .store = store,
       .alerts = alerts,
       .clock = clock,
       .random = random,
       .metrics = metrics,
       .log = log,
       .make_hands = [this](const std::string&) { return std::make_unique<LaterHands>(waiting); }},
      {}};
  std::map<std::string, std::unique_ptr<Engine>> engines;
  std::unique_ptr<receivers::Targets> targets;
  std::unique_ptr<receivers::Mender> mender;
};

Rehearsal::Rehearsal(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Rehearsal::~Rehearsal() {
  // What waits refers to the parts.
  parts_->waiting.clear();
}

Result<std::unique_ptr<Rehearsal>> Rehearsal::Make(FettleConfig config, Time begin) {
  auto parts = std::make_unique<Parts>(std::move(config), begin);
  if (Status begun = parts->Begin(); !begun) return tl::unexpected(begun.error());
  return std::unique_ptr<Rehearsal>(new Rehearsal(std::move(parts)));
}

void Rehearsal::PassTo(Time at) {
  Parts& parts = *parts_;
  const BootTime until = parts.clock.Now().boot + (at - parts.clock.Now().wall);
  parts.Settle();
  while (const auto next = parts.brain.NextDeadline()) {
    if (*next > until) break;
    parts.clock.PassTo(std::max(*next, parts.clock.Now().boot));
    parts.Settle();
  }
  parts.clock.PassTo(std::max(until, parts.clock.Now().boot));
  parts.Settle();
}

void Rehearsal::Post(std::vector<Alert> alerts) {
  if (alerts.empty()) return;
  parts_->alerts.Post({AlertSource::kRules, std::move(alerts)}, [](const Status&) {});
  parts_->Settle();
}

const std::vector<Rehearsal::Told>& Rehearsal::told() const { return parts_->told; }

std::vector<Rehearsal::Mended> Rehearsal::Mends() const {
  const Moment now = parts_->clock.Now();
  std::vector<receivers::Mender::View> views = parts_->mender->Open(now);
  const std::size_t open = views.size();
  for (auto& view : parts_->mender->Closed()) views.push_back(std::move(view));
  std::vector<Mended> mends;
  for (const auto& view : views) {
    for (const receivers::Attempt& attempt : view.attempts) {
      mends.push_back({.at = attempt.intent_at,
                       .repair = attempt.repair,
                       .target = attempt.target,
                       .action = attempt.kind});
    }
  }
  std::stable_sort(mends.begin(), mends.end(),
                   [](const Mended& a, const Mended& b) { return a.at < b.at; });
  for (std::size_t i = 0; i < open; ++i) {
    const receivers::Incident& incident = views[i].incident;
    if (incident.state != receivers::IncidentState::kSuppressed) continue;
    mends.push_back({.at = now.wall,
                     .repair = incident.repair,
                     .target = incident.target,
                     .held = true,
                     .action = views[i].action,
                     .reason = incident.reason,
                     .sentence = incident.sentence});
  }
  return mends;
}

}  // namespace fettle
