// The stores that the contract is tested on, each with what a test must be able to do to it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/store.h"
#include "tests/support/manual_clock.h"

namespace fettle {

class StoreBench {
 public:
  virtual ~StoreBench() = default;
  virtual Store& store() = 0;
  // Closes and opens it again.
  virtual void Reopen() = 0;
  // What is committed inside waits, and may then be grouped.
  virtual void WhileNothingIsCommitted(const std::function<void()>& work) = 0;
  // Behind the store's back.
  virtual void Tamper(std::int64_t seq, const std::string& body) = 0;
  virtual void DropNewestAudit() = 0;
};

// An empty store of each kind that needs no server; "Postgres" is another.
std::vector<std::string> StoreBenches();
std::unique_ptr<StoreBench> MakeStoreBench(const std::string& kind, const Clock& clock);

}  // namespace fettle
