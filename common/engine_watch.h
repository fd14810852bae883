// What the engine runs, kept up to date by its event stream: one inventory for everybody.
//
// Subscribes first and lists after, so that nothing falls between; an event updates one container
// within a millisecond or so; Reconcile(), at every collection, finds what a lossy stream dropped
// (the engine keeps 256 events and drops silently). A thread of its own follows the stream and
// comes back with backoff when it ends. Listeners are called on that thread or on the reconciling
// hand, one call at a time, and must only hand the news on.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/engine.h"
#include "common/log.h"
#include "common/metrics.h"

namespace fettle {

class EngineListener {
 public:
  virtual ~EngineListener() = default;
  // One event, after the inventory knows of it.
  virtual void OnEngineEvent(const EngineEvent& event, const Moment& now) = 0;
  // The whole inventory was read: after every subscription and every reconcile.
  virtual void OnInventory(const std::vector<Container>& containers, const Moment& now) = 0;
};

class EngineWatch {
 public:
  static constexpr Millis kBackoffMin{100};
  static constexpr Millis kBackoffMax{5'000};

  struct Deps {
    Engine& engine;
    const Clock& clock;
    Metrics& metrics;
    Log log;
  };
  explicit EngineWatch(Deps deps);
  ~EngineWatch();
  EngineWatch(const EngineWatch&) = delete;
  EngineWatch& operator=(const EngineWatch&) = delete;

  // Before Start(); the listener must outlive the watch.
  void Add(EngineListener& listener);
  void Start();
  // Ends the stream; listeners are not called any more when it returns.
  void Stop();

  // What the stream says: by the watch's own thread, or by whoever follows the stream in its place.
  void Hear(const EngineEvent& event);
  // Reads the whole inventory from the engine. Blocks; a hand's.
  Status Reconcile();
  // What is known now. Any thread.
  std::vector<Container> Containers() const;
  // The names and last values of the stream's own state. Any thread.
  bool Following() const;

 private:
  struct Known {
    Container container;
    std::uint64_t touched = 0;  // event number that changed it last
  };
  void Follow(const std::stop_token& stop);
  void Refresh(const std::string& id);

  const Deps deps_;
  std::vector<EngineListener*> listeners_;
  prometheus::Counter& reconnects_;
  prometheus::Counter& drift_;

  std::mutex news_mutex_;  // held while listeners are called: one at a time

  mutable std::mutex mutex_;  // guards everything below
  std::map<std::string, Known> known_;
  std::uint64_t events_ = 0;
  bool following_ = false;
  Time since_{};

  std::mutex backoff_mutex_;
  std::condition_variable_any backoff_;
  std::jthread thread_;
};

}  // namespace fettle
