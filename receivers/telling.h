// Everything that tells people, as one part: alertmanager.yml's plan in force, silences and what
// was told. Listens to all live alerts; answers the repairs whether to stay quiet, and tells for
// them.
//
// The root makes it after Alerts, restores it before any other consumer subscribes there, so that
// inhibition is known before somebody acts, and puts a plan in force. A reload prepares a whole
// new plan, on any thread, and puts it in force on the brain: groups start again from the live
// alerts, and what was told keeps them from repeating themselves.
//
// MakePlan() is pure but for reading template files; everything else belongs to the brain.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "receivers/alertmanager_config.h"
#include "receivers/alerts.h"
#include "receivers/consumer.h"
#include "receivers/dispatcher.h"
#include "receivers/inhibitor.h"
#include "receivers/lanes.h"
#include "receivers/notifiers/post.h"
#include "receivers/pipeline.h"
#include "receivers/silences.h"
#include "receivers/teller.h"
#include "receivers/told.h"
#include "receivers/turns.h"

namespace fettle::receivers {

// A configuration, ready to be put in force. Immutable; safe from any thread.
struct Plan {
  AlertmanagerConfig config;
  std::shared_ptr<const RouteTree> routes;
  Calendar calendar;
  Pipeline::Receivers receivers;
};
// Errors are about template files.
Result<std::shared_ptr<const Plan>> MakePlan(AlertmanagerConfig config, const PostDeps& post);

// Why an alert keeps quiet, or not.
struct QuietState {
  std::vector<std::string> silenced_by;
  std::optional<std::uint64_t> inhibited_by;
  bool suppressed() const { return !silenced_by.empty() || inhibited_by.has_value(); }
};

class Telling final : public AlertConsumer, public Quiet, public Teller {
 public:
  struct Options {
    bool tell_webhook = false;
    Millis start_delay{0};  // nobody is told earlier after the start
    std::string external_url = "http://localhost:9911";
    Silences::Options silences;
    Told::Options told;
    std::size_t groups_max = 500'000;
    OnLoss on_loss = OnLoss::kLocalIfSingleton;
  };
  struct Deps {
    Brain& brain;
    Store& store;
    Alerts& alerts;
    const Clock& clock;
    Random& random;
    Metrics& metrics;
    Log log;
    // A small pool for one receiver, named; about Lanes::kHandsPerLane threads.
    Lanes::MakeHands make_hands;
    // The others that tell from the same store, if there may be any.
    Replicas* replicas = nullptr;
  };
  Telling(Deps deps, Options options);
  ~Telling() override;

  // Reads silences and what was told, and subscribes to Alerts. Blocks; at start-up.
  Status Restore(const Moment& now);
  // Puts a plan in force.
  void Use(std::shared_ptr<const Plan> plan, const Moment& now);
  // Ends what is being told and tells nothing more. Any thread.
  void Stop() { stop_.request_stop(); }

  // What another replica has stored.
  void Hear(const Record& record);

  void Consider(const LiveAlert& alert, const Moment& now) override;
  bool Needs(std::uint64_t fingerprint) const override;

  std::optional<std::string> Why(const Labels& labels, const Moment& now) override;
  bool InTimeInterval(const std::string& name, const Moment& now) override;

  bool Knows(const std::string& receiver) const override;
  void Tell(const std::string& receiver, const std::string& group, std::vector<Alert> alerts,
            Millis timeout, Then then) override;

  Silences& silences() { return silences_; }
  // nullptr until a plan is in force.
  std::shared_ptr<const Plan> PlanInForce() const { return in_force_ ? in_force_->plan : nullptr; }
  std::vector<Dispatcher::GroupView> Groups() const;
  // Where an alert goes; nothing until a plan is in force.
  std::vector<Dispatcher::Membership> Where(const LiveAlert& alert) const;
  const Told& told() const { return told_; }
  // Everything that keeps an alert quiet now, but for hours.
  QuietState QuietOf(std::uint64_t fingerprint, const Labels& labels, Time now);
  // The hours that keep a route's groups quiet: the mute ones it is in, or all its active ones if
  // it is in none of them.
  std::vector<std::string> MutedBy(const Route& route, Time now) const;

 private:
  // What a plan needs while it is in force.
  struct InForce {
    std::shared_ptr<const Plan> plan;
    std::stop_source stop;
    // The end of everything is the end of this, too.
    std::unique_ptr<std::stop_callback<std::function<void()>>> with_everything;
    Inhibitor inhibitor;
    std::shared_ptr<Pipeline> pipeline;
    std::unique_ptr<Dispatcher> dispatcher;
  };
  DeliveryDeps DeliveryDepsWith(std::stop_token stop);
  void CountPlan();

  Deps deps_;
  const Options options_;
  std::stop_source stop_;
  Lanes lanes_;
  Silences silences_;
  Told told_;
  std::unique_ptr<Turns> turns_;  // if there are replicas
  std::set<std::string> under_way_;
  BootTime not_before_{};
  std::shared_ptr<InForce> in_force_;
};

}  // namespace fettle::receivers
