#include "tests/support/store_bench.h"


#include "tests/support/memory_store.h"

namespace fettle {
namespace {

class MemoryBench final : public StoreBench {
 public:
  explicit MemoryBench(const Clock& clock) : store_(clock) {}
  Store& store() override { return store_; }
  void Reopen() override {
    store_.Crash();
    store_.Restart();
  }
  void WhileNothingIsCommitted(const std::function<void()>& work) override {
    store_.HoldCommits();
    work();
    store_.ReleaseCommits();
  }
  void Tamper(std::int64_t seq, const std::string& body) override {
    store_.TamperForTest(seq, body);
  }
  void DropNewestAudit() override { store_.DropNewestAuditForTest(); }

 private:
  MemoryStore store_;
};

}  // namespace

std::vector<std::string> StoreBenches() { return {"Memory"}; }

std::unique_ptr<StoreBench> MakeStoreBench(const std::string& kind, const Clock& clock) {
  if (kind == "Memory") return std::make_unique<MemoryBench>(clock);
  return nullptr;
}

}  // namespace fettle
