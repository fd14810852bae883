// Where ids and jitter come from, so that a test can say which ones.
#pragma once

#include <cstdint>
#include <string>

namespace fettle {

// Safe from any thread.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t Next() = 0;
  // Uniform in [0, 1).
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  // A version 4 UUID, as silences, incidents and attempts carry.
  std::string Uuid();
};

class SystemRandom final : public Random {
 public:
  std::uint64_t Next() override;
};

}  // namespace fettle
