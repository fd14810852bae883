// Somebody stopped it on purpose: what a healer must not undo.
//
// Learns from the engine's events which kills and stops were not fettle's own, and reads the rest
// from what inspect says. Owned by the brain. After a gap in the event stream the engine cannot
// tell who stopped a container, so an exited one is then believed to be stopped on purpose, unless
// its exit code and restart policy say that it crashed. Source: measured behaviour of Docker 20.10
// to 29 (a stop is kill, die, stop; a restart is kill, die, stop, start, restart; a crash is die
// alone).
#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/engine.h"

namespace fettle::receivers {

class OperatorIntent {
 public:
  static constexpr std::size_t kContainersMax = 20'000;  // beyond: as if its events were lost
  // After a foreign stop signal without an end: the engine kills after the caller's grace period,
  // which nobody else is told, so this is longer than any usual one.
  static constexpr Millis kStoppingMax{600'000};
  // Between an end's event and the FinishedAt that inspect shows.
  static constexpr Millis kEndSlack{5'000};
  // An engine that restarts a crashed container by itself does so within this.
  static constexpr Millis kEngineRestarts{10'000};

  struct Hold {
    bool operators = true;  // false: it is only on its way (in transition)
    std::string sentence;
    std::optional<Millis> again;  // when to look again, if time alone may lift it
  };

  // Between the two, kills and stops of this container are fettle's own, up to its next start.
  void CallBegins(const std::string& container_id);
  void CallEnds(const std::string& container_id);

  void OnEvent(const EngineEvent& event, const Moment& now);

  // Why nothing may be done to the container now, or nullopt. `ours_is_down`: an attempt of
  // fettle's own left it stopped, so that being stopped says nothing.
  std::optional<Hold> Why(const Container& container, bool ours_is_down, const Moment& now) const;

 private:
  struct Seen {
    bool in_call = false;
    bool started_in_call = false;
    std::optional<BootTime> stopping_since;
    Time stopping_at;      // the same by the engine's clock
    bool stopped = false;  // by somebody else
    bool crashed = false;  // ended by itself
    BootTime ended{};
    Time ended_at;  // the same by the engine's clock
  };
  std::optional<Hold> WhyExited(const Container& container, const Seen& seen,
                                const Moment& now) const;

  std::map<std::string, Seen> seen_;
};

// Whether a signal, as Docker's events name it ("15", "SIGTERM", "TERM"), asks the container to
// end.
bool IsStopSignal(const std::string& signal);

}  // namespace fettle::receivers
