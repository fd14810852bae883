// An engine in memory that behaves as Docker 20.10 was measured to behave (the same contract suite
// passes on it and on a real engine), and that fails as a test says.
//
//   FakeEngine engine(clock);
//   engine.Add({.name = "shop-web-1", .health = ContainerHealth::kHealthy});   // or AddService
//   engine.TurnUnhealthy("shop-web-1");
//   EXPECT_THAT(engine.Acts(), ElementsAre("restart shop-web-1 t=10"));
//   EXPECT_EQ(engine.Starts("shop-web-1"), 1);          // what really happened, whoever asked
//   engine.FailNext("restart", TimesOut(Happens::kNow)); // the caller learns nothing
//
// Containers are named by name or id. Health changes only when the test says so. Every start has a
// StartedAt of its own even if the clock stands still. Safe from any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/engine.h"

namespace fettle {

struct FakeContainer {
  std::string name;
  std::map<std::string, std::string> labels;
  ContainerHealth health = ContainerHealth::kNone;  // kNone: it has no health check
  ContainerState state = ContainerState::kRunning;
  std::string restart_policy = "no";  // always, unless-stopped, on-failure: Die() starts it again
  std::string network_mode = "default";
  std::string image = "box:1";
  std::optional<int> stop_timeout_s;
  bool auto_remove = false;
  bool obeys_term = true;           // otherwise a stop ends in SIGKILL and exit code 137
  bool heals_when_started = false;  // healthy at once after any start, with the event
};

// What becomes of a call that is answered with an error. kLater: at LetHappen(). kHalf (restart
// only): the engine died between the stop and the start.
enum class Happens { kNever, kNow, kLater, kHalf };
struct Fault {
  Error error;
  Happens happens = Happens::kNever;
};
Fault TimesOut(Happens happens);
Fault Denied();       // a socket proxy's 403
Fault Unavailable();  // nobody listens

class FakeEngine final : public Engine {
 public:
  // As on the real one, `since=` reaches back only so far.
  static constexpr std::size_t kEventsMax = 256;

  explicit FakeEngine(const Clock& clock, std::string name = "local");
  ~FakeEngine() override;

  // The world. AddService labels as Compose does and names project-service-number; both return the
  // id.
  std::string Add(const FakeContainer& container);
  std::string AddService(const std::string& project, const std::string& service, int number = 1);
  void TurnUnhealthy(const std::string& container);  // event health_status: unhealthy, streak 3
  void TurnHealthy(const std::string& container);
  void Die(const std::string& container, int exit_code, bool oom = false);
  void Pause(const std::string& container);
  void Unpause(const std::string& container);
  void Remove(const std::string& container);
  // Gone and created anew from the same description, as a deploy does; returns the new id.
  std::string Recreate(const std::string& container);
  // The same calls by somebody else: they happen and emit, but are not in Acts().
  void SomebodyStops(const std::string& container);
  void SomebodyStarts(const std::string& container);
  void SomebodyRestarts(const std::string& container);
  // A stop under way: TERM was sent, the process takes its time; until StopEnds.
  void SomebodyBeginsToStop(const std::string& container);
  void StopEnds(const std::string& container, int exit_code = 0);
  // Anything else; emits nothing.
  void Edit(const std::string& container, const std::function<void(Container&)>& change);
  void SetStats(const std::string& container, ContainerStats stats);
  void SetLogs(const std::string& container, std::string logs);
  // What an exec does; without it, exit code 0 and no output.
  using Exec = std::function<ExecResult(const Container&, const std::vector<std::string>& argv)>;
  void OnExec(Exec exec);

  // Faults, by call: ping list inspect stats logs restart start stop kill exec_create exec_start
  // exec_inspect follow. FailNext may be given several; they are used up in order.
  void FailNext(const std::string& call, Fault fault);
  void FailAll(const std::string& call, Fault fault);  // until Heal
  void Heal();
  void LetHappen();                    // what Happens::kLater put off
  void Hang(const std::string& call);  // its callers wait until Release
  void Release();
  void GoDown();  // calls fail with kUnavailable and reach nothing; streams end
  void ComeUp();
  void BreakStreams();         // end, as when a proxy restarts
  void LoseEvents(bool lose);  // the world goes on, nobody is told
  // Runs before a call takes effect (not for Happens::kNever), e.g. to crash somebody.
  void BeforeCall(std::function<void(const std::string& line)> hook);

  // What was called, as "restart shop-web-1 t=10", "exec_create shop-web-1 /bin/sh -c true".
  std::vector<std::string> Calls() const;
  std::vector<std::string> Acts() const;           // without those that only look
  int Starts(const std::string& container) const;  // by anybody, since it was added
  std::vector<EngineEvent> Events(std::size_t from = 0) const;  // all that happened, told or lost
  std::vector<std::string> EventNames() const;     // "shop-web-1 die"
  int Followers() const;
  // Until each follower (but the caller itself) has been given every event so far; what happens in
  // the world waits for that by itself. False after 10 s.
  bool WaitForFollowers();
  // Until so many are following. False after 10 s.
  bool WaitForFollowers(int count);

  const std::string& Name() const override { return name_; }
  Status Ping() override;
  Result<std::vector<Container>> List(const std::vector<std::string>& label_filters) override;
  Result<Container> Inspect(const std::string& id) override;
  Result<ContainerStats> Stats(const std::string& id) override;
  Result<std::string> Logs(const std::string& id, int tail_lines, std::size_t bytes_max) override;
  Status Restart(const std::string& id, int stop_timeout_s) override;
  Status Start(const std::string& id) override;
  Status Stop(const std::string& id, int stop_timeout_s) override;
  Status Kill(const std::string& id, const std::string& signal) override;
  Result<std::string> ExecCreate(const std::string& id,
                                 const std::vector<std::string>& argv) override;
  Result<ExecResult> ExecStart(const std::string& exec_id, Millis timeout) override;
  Result<ExecState> ExecInspect(const std::string& exec_id) override;
  Status Follow(Time since, const std::function<void()>& ready,
                const std::function<void(const EngineEvent&)>& on_event,
                std::stop_token stop) override;

 private:
  struct Live {
    FakeContainer description;
    Container shown;
    ContainerStats stats;
    std::string logs;
    int starts = 0;
  };
  struct ExecRun {
    std::string container_id;
    std::vector<std::string> argv;
    bool started = false;
    ExecState state;
  };
  struct Follower {
    std::thread::id thread;
    std::deque<EngineEvent> waiting;
    bool delivering = false;
  };
  using Lock = std::unique_lock<std::mutex>;

  // Records the call, waits while it hangs, and says how it is to fail, if it is.
  std::optional<Fault> Arrive(Lock& lock, const std::string& call, const std::string& line);
  // Arrive, then the effect now, later, half or never.
  using Effect = std::function<Status(bool half)>;
  Status Act(const std::string& call, const std::string& container, const std::string& rest,
             const Effect& effect);
  const Live* Find(const std::string& container) const;
  Live* Find(const std::string& container);
  Live& Must(const std::string& container);
  std::string NameOf(const std::string& container) const;
  std::string StampNow();
  void Emit(const Live& live, const std::string& action,
            const std::map<std::string, std::string>& attributes = {});
  Status StartLocked(Live& live);
  void StopMonitor(Live& live);
  // Ends the process; true if auto_remove took the container away.
  bool EndLocked(Live& live, int exit_code);
  bool HaltLocked(Live& live);
  Status DoRestart(const std::string& container, bool half);
  Status DoStart(const std::string& container);
  Status DoStop(const std::string& container);
  Status DoKill(const std::string& container, const std::string& signal);

  const Clock& clock_;
  const std::string name_;
  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable_any changed_;
  std::map<std::string, Live> containers_;  // by id
  std::map<std::string, ExecRun> execs_;
  Exec exec_;
  std::uint64_t next_id_ = 1;
  std::int64_t ticks_ = 0;  // makes every stamp its own

  std::map<std::string, std::deque<Fault>> fail_next_;
  std::map<std::string, Fault> fail_all_;
  std::vector<Effect> later_;
  std::map<std::string, bool> hanging_;
  bool down_ = false;
  bool losing_ = false;
  std::uint64_t streams_broken_ = 0;
  std::function<void(const std::string&)> before_call_;

  std::vector<std::string> calls_;
  std::vector<EngineEvent> events_;
  std::deque<EngineEvent> ring_;
  std::list<Follower> followers_;
};

}  // namespace fettle
