// An engine in between that kills the process right before or right after its Nth call.
#pragma once

#include <string>
#include <vector>

#include "tests/support/fake_engine.h"

namespace fettle {

// What a test throws where a process dies, through code that knows nothing of it.
struct ProcessDied {};

class CrashingEngine final : public Engine {
 public:
  enum class When { kBefore, kAfter };
  explicit CrashingEngine(FakeEngine& engine) : engine_(engine) {}

  // Calls count from now: 1 is the next one.
  void CrashAt(int nth, When when) {
    nth_ = calls_ + nth;
    when_ = when;
  }
  int Calls() const { return calls_; }

  const std::string& Name() const override { return engine_.Name(); }
  Status Ping() override {
    return Through([&] { return engine_.Ping(); });
  }
  Result<std::vector<Container>> List(const std::vector<std::string>& filters) override {
    return Through([&] { return engine_.List(filters); });
  }
  Result<Container> Inspect(const std::string& id) override {
    return Through([&] { return engine_.Inspect(id); });
  }
  Result<ContainerStats> Stats(const std::string& id) override {
    return Through([&] { return engine_.Stats(id); });
  }
  Result<std::string> Logs(const std::string& id, int lines, std::size_t bytes_max) override {
    return Through([&] { return engine_.Logs(id, lines, bytes_max); });
  }
  Status Restart(const std::string& id, int stop_timeout_s) override {
    return Through([&] { return engine_.Restart(id, stop_timeout_s); });
  }
  Status Start(const std::string& id) override {
    return Through([&] { return engine_.Start(id); });
  }
  Status Stop(const std::string& id, int stop_timeout_s) override {
    return Through([&] { return engine_.Stop(id, stop_timeout_s); });
  }
  Status Kill(const std::string& id, const std::string& signal) override {
    return Through([&] { return engine_.Kill(id, signal); });
  }
  Result<std::string> ExecCreate(const std::string& id,
                                 const std::vector<std::string>& argv) override {
    return Through([&] { return engine_.ExecCreate(id, argv); });
  }
  Result<ExecResult> ExecStart(const std::string& exec_id, Millis timeout) override {
    return Through([&] { return engine_.ExecStart(exec_id, timeout); });
  }
  Result<ExecState> ExecInspect(const std::string& exec_id) override {
    return Through([&] { return engine_.ExecInspect(exec_id); });
  }
  Status Follow(Time since, const std::function<void()>& ready,
                const std::function<void(const EngineEvent&)>& on_event,
                std::stop_token stop) override {
    return engine_.Follow(since, ready, on_event, stop);
  }

 private:
  template <typename F>
  auto Through(F call) -> decltype(call()) {
    const bool dies = ++calls_ == nth_;
    if (dies && when_ == When::kBefore) throw ProcessDied{};
    auto answer = call();
    if (dies) throw ProcessDied{};
    return answer;
  }

  FakeEngine& engine_;
  int calls_ = 0;
  int nth_ = 0;
  When when_ = When::kBefore;
};

}  // namespace fettle
