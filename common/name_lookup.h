// Questions to the DNS: services (SRV) and addresses. Safe from any thread; blocks.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"

namespace fettle {

class NameLookup {
 public:
  enum class Kind { kSrv, kA, kAaaa, kMx, kNs };
  struct Answer {
    std::string host;  // a name without its last dot, or an address
    int port = 0;      // of SRV
    bool operator==(const Answer&) const = default;
  };
  // More answers than this to one question are cut.
  static constexpr std::size_t kAnswersMax = 10'000;

  virtual ~NameLookup() = default;
  // kNotFound if there is no such name; a name without such answers has none.
  virtual Result<std::vector<Answer>> Find(const std::string& name, Kind kind) const = 0;
};

// Asks the servers of /etc/resolv.conf.
class SystemNameLookup final : public NameLookup {
 public:
  SystemNameLookup() = default;
  // For tests: the only server, on loopback, at this UDP port.
  explicit SystemNameLookup(int port) : port_(port) {}
  Result<std::vector<Answer>> Find(const std::string& name, Kind kind) const override;

 private:
  const int port_ = 0;
};

}  // namespace fettle
