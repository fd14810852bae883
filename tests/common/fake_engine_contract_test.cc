// The fake engine keeps what a real one does.
#include "tests/common/engine_contract.h"
#include "tests/support/fake_engine.h"
#include "tests/support/manual_clock.h"

namespace fettle {
namespace {

class FakeBench final : public EngineBench {
 public:
  FakeBench() {
    engine_.OnExec([](const Container&, const std::vector<std::string>& argv) {
      return argv.front() == "print" ? ExecResult{.exit_code = 3, .output = "out\n"} : ExecResult{};
    });
  }
  Engine& engine() override { return engine_; }
  std::string Run(const Box& box) override {
    const std::string id = engine_.Add(
        {.name = box.name,
         .labels = box.labels,
         .health = box.health_check ? ContainerHealth::kStarting : ContainerHealth::kNone,
         .state = ContainerState::kCreated,
         .auto_remove = box.auto_remove,
         .obeys_term = box.obeys_term});
    if (box.start) engine_.SomebodyStarts(id);
    if (box.start && box.health_check) engine_.TurnHealthy(id);
    return id;
  }
  void TurnUnhealthy(const std::string& container) override { engine_.TurnUnhealthy(container); }
  void TurnHealthy(const std::string& container) override { engine_.TurnHealthy(container); }
  void Pause(const std::string& container) override { engine_.Pause(container); }
  void SomebodyStops(const std::string& container) override { engine_.SomebodyStops(container); }
  void Remove(const std::string&) override {}
  std::vector<std::string> PrintOutAndExit3() override { return {"print", "out"}; }

 private:
  ManualClock clock_;
  FakeEngine engine_{clock_};
};

}  // namespace

std::unique_ptr<EngineBench> MakeEngineBench() { return std::make_unique<FakeBench>(); }

}  // namespace fettle
