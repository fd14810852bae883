// Groups alerts and decides when a group speaks.
//
// An alert goes into a group at every route it matches. A new group waits for group_wait (not at
// all if its first alert is older than that), then speaks every group_interval; what it says, and
// whether, is the pipeline's. The period is exact: a slow telling delays the group's next turn but
// never overlaps it. Resolved alerts leave once they were told; an empty group is gone at once.
// Belongs to the brain. Source: Alertmanager's dispatch package, 0.32 and later.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/brain.h"
#include "common/log.h"
#include "common/metrics.h"
#include "receivers/consumer.h"
#include "receivers/notification.h"
#include "receivers/route.h"

namespace fettle::receivers {

// A group's turn to speak.
struct Flush {
  std::shared_ptr<const Route> route;  // keeps its tree: telling may outlast a reload
  std::string group_key;
  Labels group_labels;
  std::vector<NotifiedAlert> alerts;  // in Alertmanager's order
  Moment now;
  BootTime deadline;  // of telling, with retries
};

class Dispatcher final : public AlertConsumer {
 public:
  // A telling has at least this long.
  static constexpr Millis kFlushMin{10'000};

  struct Options {
    bool tell_webhook = false;         // also what came by /webhook
    std::size_t groups_max = 500'000;  // beyond it alerts are not grouped: counted and logged
    BootTime not_before{};             // nobody speaks earlier
  };
  struct Deps {
    Brain& brain;
    Metrics& metrics;
    Log log;
    // What is believed of an alert, shared with whoever keeps it.
    std::function<std::shared_ptr<const LiveAlert>(std::uint64_t fingerprint)> find;
    // Tells, and says on the brain whether everybody has been told or need not be.
    using Then = std::function<void(bool told, const Moment& now)>;
    std::function<void(Flush flush, Then then)> flush;
  };
  Dispatcher(Deps deps, Options options, std::shared_ptr<const RouteTree> routes);
  ~Dispatcher() override;

  void Consider(const LiveAlert& alert, const Moment& now) override;
  bool Needs(std::uint64_t fingerprint) const override;

  // Where an alert goes, and when that group speaks next if it is in it.
  struct Membership {
    const Route* route = nullptr;
    std::string key;
    bool in_group = false;
    BootTime next_flush{};
  };
  std::vector<Membership> Where(const LiveAlert& alert) const;

  struct GroupView {
    const Route* route = nullptr;
    std::string key;
    Labels labels;
    std::vector<std::shared_ptr<const LiveAlert>> alerts;
    BootTime next_flush;
  };
  std::vector<GroupView> Groups() const;

 private:
  using Live = std::shared_ptr<const LiveAlert>;
  struct Group {
    const Route* route = nullptr;
    Labels labels;
    std::string key;
    std::map<std::uint64_t, Live> alerts;
    Brain::Ticket timer;
    BootTime next;
    bool speaking = false;
    bool missed_its_turn = false;  // while it was still speaking
  };
  using GroupId = std::pair<std::size_t, Labels>;  // route and group labels

  void Add(const Route& route, const Live& alert, const Moment& now);
  void Arm(const std::shared_ptr<Group>& group, BootTime when);
  void Turn(const std::shared_ptr<Group>& group, const Moment& now);
  void Spoken(const std::shared_ptr<Group>& group, const std::vector<Live>& resolved, bool told,
              const Moment& now);

  Deps deps_;
  const Options options_;
  const std::shared_ptr<const RouteTree> routes_;
  std::map<GroupId, std::shared_ptr<Group>> groups_;
  prometheus::Gauge& groups_gauge_;
  prometheus::Counter& limit_reached_;
};

}  // namespace fettle::receivers
