// The whole program on one thread, with a clock that the test moves: every part as fettle.cc builds
// it, while the engine, the network, the store's disk and the hands are made up. A small language:
//
//   House house(fettle_yml, alertmanager_yml);      // receivers' URLs are http://people/<name>
//   house.engine.AddService("shop", "web");
//   house.Boot();
//   house.engine.TurnUnhealthy("shop-web-1");
//   house.Settle();                                 // all that needs no time
//   EXPECT_THAT(house.engine.Acts(), ElementsAre("restart shop-web-1 t=10"));
//   house.Pass(30s);
//   EXPECT_EQ(house.Metric("fettle_incidents_open{repair=\"heal-web\"}"), 0);
//
// Crash() ends the process: what waits in brain and hands is lost; Boot() begins a new one on the
// same store, engine and clock.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fettle_parts.h"
#include "tests/support/crashing_engine.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_transport.h"
#include "tests/support/inline_hands.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/recorded_log.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temp_dir.h"

namespace fettle {

class House {
 public:
  House(const std::string& fettle_yml, const std::string& alertmanager_yml);
  ~House();
  House(const House&) = delete;
  House& operator=(const House&) = delete;

  ManualClock clock;
  FakeEngine engine{clock};  // of the connection "local"
  MemoryStore store{clock};
  FakeTransport network;
  RecordedLog log;
  TempDir dir;  // fettle.yml, alertmanager.yml and what the test adds

  // --- the process ---------------------------------------------------------------------------

  void Boot();
  // The process is killed.
  void Crash();
  bool IsUp() const { return parts_ != nullptr; }
  Fettle::Parts& parts() { return *parts_; }
  // Everything that can happen without time passing.
  void Settle();
  // Lets time pass, timer by timer.
  void Pass(Micros duration);

  // --- the world -----------------------------------------------------------------------------

  // What is answered at a URL from now on, status alone; everything else is answered with 200.
  void Answer(const std::string& url, int status) { answers_[url] = status; }
  // A plain alert by POST /webhook; the answer's status.
  int PostAlert(const Labels& labels, bool resolved = false);
  // The id of the silence that begins now.
  std::string Silence(const std::string& matchers, Millis for_how_long);

  // --- what is seen of it --------------------------------------------------------------------

  // Bodies that were posted to http://people/<name>.
  std::vector<std::string> Told(const std::string& name) const;
  // Of GET /metrics: the value of a series as it is written there, or -1 if it is absent.
  double Metric(const std::string& series);
  std::string Page();
  // GET /api/fettle/v1/incidents, the newest first.
  std::vector<Json> Incidents();
  // "open verifying", "closed repaired": the newest incident of a repair; "" if there is none.
  std::string StateOf(const std::string& repair);
  // "firing ContainerUnhealthy" of each alert in /api/v1/alerts, in order.
  std::vector<std::string> Alerts();

 private:
  void Hear();
  void End();

  SeededRandom random_;
  InlineHands hands_;
  std::map<std::string, int> answers_;
  std::size_t heard_ = 0;
  std::unique_ptr<Fettle::Parts> parts_;
};

}  // namespace fettle
