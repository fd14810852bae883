// The life of a notification, in the order an operator would tell it: inhibited, out of hours,
// silenced; then for each integration of the receiver: already told, told with retries, recorded.
//
// The first three take alerts away, with their resolved ones; what is left goes to every
// integration side by side, each with its own record and its own hands. Belongs to the brain.
// Source: Alertmanager's notify package.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "receivers/calendar.h"
#include "receivers/delivery.h"
#include "receivers/dispatcher.h"
#include "receivers/inhibitor.h"
#include "receivers/silences.h"
#include "receivers/told.h"
#include "receivers/turns.h"

namespace fettle::receivers {

class Pipeline final : public std::enable_shared_from_this<Pipeline> {
 public:
  struct Deps {
    DeliveryDeps delivery;
    const Inhibitor& inhibitor;
    const Calendar& calendar;
    Silences& silences;
    Told& told;
    // Who is being told of what at this moment, also by a pipeline that a reload has replaced.
    std::set<std::string>& under_way;
    std::string external_url;
    // Where several replicas tell: whose turn it is, and what is believed of an alert now.
    Turns* turns = nullptr;
    std::function<std::shared_ptr<const LiveAlert>(std::uint64_t fingerprint)> find = {};
  };
  using Receivers = std::map<std::string, std::vector<Integration>>;
  Pipeline(Deps deps, Receivers receivers);

  void Run(Flush flush, Dispatcher::Deps::Then then);
  const Receivers& receivers() const { return receivers_; }

 private:
  // A flush on its way to all integrations; `open` of them have not answered.
  struct Round {
    Flush flush;
    GroupState state;
    std::size_t open = 0;
    bool told = true;
    Dispatcher::Deps::Then then;
  };
  // Takes alerts of a flush away.
  struct Stage {
    const char* name;
    const char* metric;  // alertmanager_notifications_suppressed_total{reason}
    std::function<bool(const Flush& flush, const NotifiedAlert& alert)> keeps_quiet;
  };
  static constexpr Millis kLookAgain{100};
  // How often another replica's turn is asked for.
  static constexpr Millis kTakeAgain{500};

  // Tells if there is something new and nobody else is telling it.
  void TellOne(const std::shared_ptr<Round>& round, const Integration& integration,
               const Moment& now);
  Reason WhyTellNow(const Round& round, const Integration& integration, const Ear& ear) const;
  // Until the deadline; then nobody has been told.
  void TellLater(const std::shared_ptr<Round>& round, const Integration& integration, Millis wait,
                 const Moment& now);
  void Send(const std::shared_ptr<Round>& round, const Integration& integration, const Ear& ear,
            const std::shared_ptr<Turn>& turn, const Moment& now);
  void Record(const std::shared_ptr<Round>& round, const Ear& ear,
              std::map<std::string, std::string> data, const std::shared_ptr<Turn>& turn,
              const Moment& now);
  // What is over by now is not told as firing: another replica may have told its end.
  void Refresh(Round& round, const Moment& now) const;
  void Release(const std::shared_ptr<Turn>& turn);
  static void Answered(const std::shared_ptr<Round>& round, bool told, const Moment& now);

  Deps deps_;
  const Receivers receivers_;
  const std::array<Stage, 4> stages_;
};

}  // namespace fettle::receivers
