// A whole town to tell: live alerts, routes, silences, receivers and their hands, on a clock that
// the test moves. A small language, so that tests are sentences:
//
//   Town town;                    // one receiver "people", group_wait 30s, group_interval 5m
//   town.Fire("DiskFull");
//   town.Pass(29s);
//   EXPECT_EQ(town.Sent(), Lines{});
//   town.Pass(1s);
//   EXPECT_EQ(town.Sent(), Lines{"30s DiskFull"});
//
// A line is: when (since the town began), the receiver unless it is "people", then the alerts in
// the order of the message, joined by +, resolved ones with a minus.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/http.h"
#include "receivers/alerts.h"
#include "receivers/telling.h"
#include "tests/support/inline_hands.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/recorded_log.h"
#include "tests/support/seeded_random.h"

namespace fettle::receivers {

using Lines = std::vector<std::string>;

class Town final : public HttpTransport {
 public:
  // alertmanager.yml; a receiver's webhook must have the URL http://town/<receiver>.
  static const char* const kConfig;
  explicit Town(std::string config = kConfig, Telling::Options options = {});
  ~Town() override;

  void Fire(const std::string& name, const Labels& more = {});
  void Resolve(const std::string& name, const Labels& more = {});
  // Posts just this.
  Status Post(AlertBatch batch);
  // Time goes by, stopping at every timer.
  void Pass(Micros duration);
  // Deliveries since the last time it was asked.
  Lines Sent();
  // The bodies of those, whole.
  const std::vector<std::string>& Bodies() const { return bodies_; }

  // What a receiver answers from now on; without it, 200.
  using Answer = std::function<Result<HttpResponse>()>;
  void AnswerOf(const std::string& receiver, Answer answer);
  // How often a receiver has been asked, tries included.
  int Tries(const std::string& receiver) const;

  // Says the id, or what is wrong with it.
  Result<std::string> Silence(const std::string& matchers, Millis for_how_long);
  Status Unsilence(const std::string& id);
  void Reload(const std::string& config);
  // The process dies, with what was not stored, and begins again.
  void Restart();
  // Runs what is due, without time going by.
  void Settle();

  Time now() const { return clock_.Now().wall; }
  Millis age() const { return now() - began_; }
  MemoryStore& store() { return store_; }
  Alerts& alerts() { return *alerts_; }
  Telling& telling() { return *telling_; }
  Metrics& metrics() { return metrics_; }
  RecordedLog& log() { return log_; }
  Brain& brain() { return *brain_; }
  ManualClock& clock() { return clock_; }
  // Which waiting hand works next; the first unless a seed chooses.
  std::function<std::size_t()> pick;

  Result<HttpResponse> Send(const HttpRequest& request, const HttpOptions& options) override;

 private:
  void Boot();
  std::shared_ptr<const Plan> PlanOf(const std::string& config);
  Alert Make(const std::string& name, const Labels& more, Time ends) const;

  std::string config_;
  const Telling::Options options_;
  ManualClock clock_;
  const Time began_ = clock_.Now().wall;
  MemoryStore store_{clock_};
  SeededRandom random_;
  Metrics metrics_;
  RecordedLog log_;
  InlineHands hands_;
  std::map<std::string, Answer> answers_;
  std::map<std::string, int> tries_;
  Lines sent_;
  std::vector<std::string> bodies_;

  std::optional<Brain> brain_;
  std::unique_ptr<Alerts> alerts_;
  std::unique_ptr<Telling> telling_;
};

}  // namespace fettle::receivers
