// Waits for what another process or thread does, and no longer than it takes.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace fettle {

// True as soon as the condition holds; false if it does not within the time.
inline bool WaitUntil(const std::function<bool()>& condition,
                      std::chrono::milliseconds within = std::chrono::seconds(60)) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace fettle
