// Links by which a person approves a repair from a message: signed, for one pass of one incident,
// until a time; used once, because the pass then waits for approval no more.
//
// A token is "<until, ms>.<pass>.<HMAC-SHA256 of incident, pass and until, hexadecimal>". The key
// is random and lives as long as the process: after a restart whoever is asked again gets a new
// link. Opening a link approves nothing (chats fetch previews); its form does. Safe from any
// thread.
#pragma once

#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/random.h"
#include "common/result.h"

namespace fettle::receivers {

class Approvals {
 public:
  static constexpr Millis kLasts{3'600'000};

  explicit Approvals(Random& random);

  std::string Token(const std::string& incident, int pass, Time until) const;
  // The pass; kDenied for what was not signed so, and for what is over.
  Result<int> Check(std::string_view token, const std::string& incident, Time now) const;

 private:
  std::string Sign(const std::string& incident, std::string_view pass,
                   std::string_view until) const;

  const std::string key_;
};

}  // namespace fettle::receivers
