// Bounded pools that may block: collectors, rule evaluation, notifications, actions. Each kind of
// work has a pool of its own, so that a hung Slack never delays a repair.
//
// Do() is safe from any thread. Work runs on a pool thread and hands its outcome back with
// Brain::Finish; it carries its own deadline.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace fettle {

class Hands {
 public:
  using Work = std::function<void()>;
  virtual ~Hands() = default;
  // False if the queue is full; nothing was taken, and the caller says what that means.
  [[nodiscard]] virtual bool Do(Work work) = 0;
  // Finishes what has begun, drops what waits, and takes nothing more. What the work refers to may
  // go after that; the hands themselves may still be asked. One thread.
  virtual void Close() = 0;
};

// The destructor finishes the work that has begun and drops what still waits.
class HandPool final : public Hands {
 public:
  struct Options {
    std::string name;
    std::size_t threads = 8;
    std::size_t queue_max = 10'000;
  };
  explicit HandPool(Options options);
  ~HandPool() override;
  HandPool(const HandPool&) = delete;
  HandPool& operator=(const HandPool&) = delete;

  [[nodiscard]] bool Do(Work work) override;
  void Close() override;
  // Begun or waiting now. Any thread.
  std::size_t Busy() const;

 private:
  void Labour(const std::stop_token& stop);

  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Work> queue_;
  std::size_t running_ = 0;
  bool closed_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace fettle
