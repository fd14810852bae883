// Who may do a thing where several replicas share one store: claims with leases and epochs.
//
// A claim is granted to one holder at a time, until its lease ends by the store's clock; nobody
// else's clock decides. Its epoch grows whenever it is granted anew, so that a commit can say under
// which one it was decided (Batch::held) and one that was fenced out meanwhile fails. The holder
// measures the lease with its own boot clock from before it asked, less kMargin: whoever slept
// through that must ask again before it acts. Source of the shape: leases of Chubby and etcd.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/clock.h"
#include "common/result.h"

namespace fettle {

// As a commit names one: still held, or given back.
struct ClaimMark {
  std::string resource;
  std::int64_t epoch = 0;
};

struct Claim {
  ClaimMark mark;
  BootTime until{};  // what it allows must have begun before
};

class Claims {
 public:
  static constexpr Millis kMargin{1'000};
  static constexpr Millis kLeaseMin{2'000};

  virtual ~Claims() = default;
  // Grants it, or prolongs what this process holds already. kConflict: somebody else has it.
  // kUnavailable or kTimeout: nobody can tell. Whoever is granted a claim has heard of everything
  // that was committed under it before. `then` runs once, as Store::Commit's; safe from any thread.
  using Then = std::function<void(Result<Claim>)>;
  virtual void Take(std::string resource, Millis lease, Then then) = 0;
};

}  // namespace fettle
