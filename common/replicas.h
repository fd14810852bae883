// What several fettles on one store know of each other: who lives, and what the others wrote.
// Safe from any thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/claims.h"
#include "common/random.h"
#include "common/store.h"

namespace fettle {

struct Replica {
  std::string name;     // the same after a restart
  std::string address;  // for people to read
};

class Replicas : public Claims {
 public:
  // This one.
  virtual const std::string& name() const = 0;
  // This one first, then the others by name. At last sight, if the store is lost.
  virtual std::vector<Replica> Live() const = 0;
  // Whether the store answered when it was last asked.
  virtual bool InTouch() const = 0;
  // Records the other replicas have written since this one opened the store, in the order of their
  // commits; erasures are not told. `hear` runs on the store's thread and must only hand on.
  using Hear = std::function<void(std::vector<Record>)>;
  virtual void Follow(Hear hear) = 0;
};

// Who this replica is: made up at the first call, and kept in the directory's file `replica`.
Result<std::string> ReplicaId(const std::string& directory, Random& random);

}  // namespace fettle
